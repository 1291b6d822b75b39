# Waits until our parent closes our input or ends, then stops what works
# in the folder $1 and removes it.
dir=$1
read -r _

working() {
  for process in /proc/[0-9]*; do
    if [ "$process/cwd" -ef "$dir" ] || [ "$process/cwd" -ef "$dir/disk/data" ]; then
      echo "${process##*/}"
    fi
  done
}

# SIGQUIT lets a PostgreSQL server give back its shared memory; a frozen one
# has to be woken for it.
signal=QUIT
for round in $(seq 200); do
  pids=$(working)
  if [ -z "$pids" ]; then break; fi
  if [ "$round" -gt 60 ]; then signal=KILL; fi
  if [ "$round" = 1 ] || [ $signal = KILL ]; then
    kill -$signal $pids 2>/dev/null
    kill -CONT $pids 2>/dev/null
  fi
  sleep 0.05
done

# A server that was killed has left its segment of shared memory.
if [ -f "$dir/disk/data/postmaster.pid" ]; then
  segment=$(sed -n '7s/.* //p' "$dir/disk/data/postmaster.pid")
  if [ -n "$segment" ]; then ipcrm -m "$segment" 2>/dev/null; fi
fi

if mountpoint -q "$dir/disk"; then
  if [ "$(id -u)" = 0 ]; then umount "$dir/disk"; else sudo -n umount "$dir/disk"; fi
fi
rm -rf "$dir"
