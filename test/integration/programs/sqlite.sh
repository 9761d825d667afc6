[ "$(id -u)" = "$SCRIM_USER" ]
for mode in delete wal truncate; do
	{
		echo "pragma journal_mode=$mode; create table t(id integer primary key, v text);"
		for i in $(seq 200); do echo "insert into t(v) values('row $i');"; done
		echo "update t set v = v || '!' where id % 3 = 0; delete from t where id % 7 = 0; vacuum;"
		echo "select count(*), sum(length(v)) from t; pragma integrity_check;"
	} | sqlite3 "$mode.db"
	sqlite3 "$mode.db" '.dump' | cksum
done
for i in 1 2 3 4; do
	sqlite3 -cmd '.timeout 20000' delete.db "insert into t(v) select 'p$i-' || id from t limit 50;" &
done
wait
sqlite3 delete.db 'select count(*) from t; pragma integrity_check;'
ls
