[ "$(id -u)" = "$SCRIM_USER" ]
for i in $(seq 1000); do sh -c 'echo x|cat|cat'; done | wc -l
