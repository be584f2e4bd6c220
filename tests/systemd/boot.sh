#!/bin/sh
# boot.sh ROOT: becomes systemd on a root file system of its own. Runs as the first process of fresh
# pid, mount, network, IPC, UTS and cgroup namespaces (machine.py makes them). ROOT is only read:
# what the machine writes is kept in memory and gone with it.
set -eu
root=$1
mark=.tacit-test-machine

fail() {
  echo "boot.sh: $*" >&2
  exit 1
}

# systemd empties /tmp and changes kernel settings: never on the host's own files.
[ "$$" = 1 ] || fail "not the first process of a pid namespace"
[ "$(stat -c %d:%i "$root")" != "$(stat -c %d:%i /)" ] || fail "$root is the root of this machine"
[ -e "$root/$mark" ] || fail "$root was not made for this"
[ ! -e "/$mark" ] || fail "this is such a machine already"

mount --make-rprivate /
mount -t tmpfs -o mode=0755,size=1g tmpfs "$root/mnt"
mkdir "$root/mnt/upper" "$root/mnt/work" "$root/mnt/merged"
mount -t overlay -o "lowerdir=$root,upperdir=$root/mnt/upper,workdir=$root/mnt/work" overlay \
  "$root/mnt/merged"
cd "$root/mnt/merged"

mount -t proc -o nosuid,noexec,nodev proc proc
for kernel in sys sysrq-trigger irq bus fs; do
  [ -e "proc/$kernel" ] || continue
  mount --bind "proc/$kernel" "proc/$kernel"
  mount -o remount,bind,ro,nosuid,noexec,nodev "proc/$kernel"
done
mount -t sysfs -o ro,nosuid,noexec,nodev sysfs sys
mount -t cgroup2 -o nosuid,noexec,nodev cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755,nosuid tmpfs dev
# Nodes of its own: systemd may change owners and modes.
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
  IFS=: read -r name major minor <<END
$device
END
  mknod -m 0666 "dev/$name" c "$major" "$minor"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for memory in run tmp dev/shm; do
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$memory"
done
chmod 0755 run

mkdir old
pivot_root . old
cd /
umount -l old
[ -e "/$mark" ] || fail "the root did not change"
# Credentials are mounted in a namespace of their own and seen elsewhere by propagation.
mount --make-rshared /

# No modules, no clock, no raw devices: as little of the host's kernel as systemd runs with.
kept=+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+ipc_owner,+kill,+net_admin
kept=$kept,+net_bind_service,+net_raw,+setfcap,+setgid,+setpcap,+setuid,+sys_admin,+sys_chroot
kept=$kept,+sys_nice,+sys_ptrace,+sys_resource
exec env -i PATH=/usr/sbin:/usr/bin container=tacit-test \
  setpriv --bounding-set "-all,$kept" /lib/systemd/systemd --system --unit=basic.target \
  --log-target=journal --show-status=no
