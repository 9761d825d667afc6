[ "$(id -u)" = "$SCRIM_USER" ]
perl -MFile::Find -MFile::Copy -MFile::Path=make_path,remove_tree -MFile::Temp=tempdir -MCwd -e '
	make_path("p/q/r"); open(my $f, ">", "p/q/f") or die; print $f "text\n" x 100; close $f;
	copy("p/q/f", "p/g") or die; move("p/g", "p/h") or die; rename("p/h", "p/i") or die;
	print -s "p/i", "\n"; chmod(0600, "p/i"); printf "%o\n", (stat "p/i")[2];
	my @all; find(sub { push @all, $File::Find::name }, "."); print join("\n", sort @all), "\n";
	symlink("p/i", "s"); print readlink("s"), "\n"; link("p/i", "l"); print((stat "l")[3], "\n");
	utime(1e9, 1e9, "l"); print((stat "l")[9], "\n"); truncate("l", 7); print -s "l", "\n";
	opendir(my $d, "p"); my @names = readdir $d; my $at = telldir $d; rewinddir $d; my @again = readdir $d;
	print scalar(@names) == scalar(@again) ? "same\n" : "differ\n";
	my $t = tempdir("tXXXX", DIR => "sub", CLEANUP => 1); mkdir "$t/x"; chdir "p/q" or die; print((split m{/}, getcwd())[-1], "\n");
	chdir "../.." or die; unlink "s", "l"; remove_tree("p"); print join(" ", sort glob("* .*")), "\n";
	print `echo sub; ls`; system("true") == 0 or die; exec("echo", "done");'
