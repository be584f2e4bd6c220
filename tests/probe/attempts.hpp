// What an attacker with code in the api process would try first. Each attempt leaves everything as
// it was when it succeeds, so that the server serves on.
//
// The result is one line on stderr, the names being those of the table:
//   {"probe":{"read_root_key":{"outcome":"refused","errno":"EACCES"},…},"uid":65534}
// outcome: "succeeded" · "refused" (EPERM, EACCES, ENOSYS) · "failed": any other errno, so that a
// wrong path or a dead keeper is not taken for a refusal. A test should accept no "failed".
//
// From the environment (not TACIT_…, which settings would refuse): PROBE_KEY, the path of
// root.key; PROBE_RUN, the folder of keeper.sock. The keeper is the parent process.
//
// PROBE_TLS_KEY, the file of tls.key; PROBE_STORE, the store's folder; PROBE_VICTIM, a file of the
// user that starts the server, whose text does not matter and which may be gone afterwards. With
// PROBE_CHANNEL the process tries none of this, but plays a false api process (false_api.cpp).
//
// With `sandbox = "on"` every attempt must be refused. That proves something only where it succeeds
// with `sandbox = "off"`, and the uid alone stops some of them. "yes" is what succeeds with "off":
//
//                        (a) server started   (b) root, api_user   (c) root, api_user
//                            by a user            = nobody             = root
//   read_root_key            yes                  -                    yes
//   connect_keeper           yes                  yes                  yes
//   rename_in_run            yes                  -                    yes
//   create_in_run            yes                  -                    yes
//   ptrace_keeper            - (not dumpable)     -                    yes
//   keeper_mem               -                    -                    yes
//   keeper_environ           -                    -                    yes
//   keeper_vm_readv          -                    -                    yes
//   pidfd_open               yes                  yes                  yes
//   pidfd_getfd              -                    -                    yes
//   signal_keeper            yes                  -                    yes
//   continue_keeper          yes                  yes (one session)    yes
//   fork                     yes                  yes                  yes
//   posix_spawn              yes                  yes                  yes
//   clone3                   yes                  yes                  yes
//   execve                   yes                  yes                  yes
//   socket_unix              yes                  yes                  yes
//   socket_inet              yes                  yes                  yes
//   socket_inet6             yes                  yes                  yes
//   socket_netlink           yes                  yes                  yes
//   socket_packet            -                    -                    yes
//   socketpair               yes                  yes                  yes
//   io_uring_setup           yes                  yes                  yes
//   memfd_create             yes                  yes                  yes
//   map_executable           yes                  yes                  yes
//   make_dumpable            yes                  yes                  yes
//   read_passwd              yes                  yes                  yes
//   write_tmp                yes                  yes                  yes
//   setuid_root              -                    -                    yes
//
//   on files (attempts_on_files.cpp)
//   chmod_key chown_key touch_key append_to_victim rename_victim_into_store open_truncating
//   unlink_victim link_key_into_store attribute_on_run write_lock_file
//   read_runtimes write_runtimes rename_runtimes read_tls_key
//                            yes                  -                    yes
//   symlink_in_store pipe_in_store setuid_file_in_store watch_run list_root shared_memory_file
//                            yes                  yes                  yes
//   truncate_key write_etc   - (mode 0400)        -                    yes
//   on the keeper (attempts_on_the_keeper.cpp)
//   keeper_status signal_group signals_of_descriptor_to_keeper
//                            yes                  yes                  yes
//   tkill_keeper tgkill_keeper queue_signal_to_keeper pidfd_signal_keeper priority_of_keeper
//   limits_of_keeper cores_of_keeper
//                            yes                  -                    yes
//   keeper_maps keeper_descriptors keeper_root keeper_folder keeper_oom_score own_mem
//   compare_with_keeper locks_of_keeper
//                            - (not dumpable)     -                    yes
//   on the kernel (attempts_on_the_kernel.cpp)
//   change_root              -                    -                    yes
//   all others               yes                  yes                  yes
//
// (c) needs CAP_SYS_PTRACE, CAP_SYS_CHROOT and CAP_NET_RAW, which a container's root may lack, and
// a kernel where
// kernel.io_uring_disabled is 0. continue_keeper in (b) holds while api and keeper share a session.
#pragma once

namespace tacit::probe {

void attempt_everything();

}  // namespace tacit::probe
