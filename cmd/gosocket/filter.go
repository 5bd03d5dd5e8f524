package main

import (
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"

	"gosocket/socketcore"
)

// systemCalls are all that the helper makes, the Go runtime's among them. Any other fails with EPERM under the filter: above all
// those that run programs, look into processes, mount, write files, change users or load code into the kernel.
var systemCalls = []string{
	// sockets
	"bind", "listen", "accept4", "connect", "shutdown", "getsockname", "getpeername", "sendto", "recvfrom", "sendmsg", "recvmsg",
	"setsockopt", "getsockopt", "ioctl",
	// descriptors, the two pipes and the log; namespaces, and descriptors of the process that started it
	"read", "write", "readv", "writev", "pread64", "splice", "tee", "close", "dup", "dup3", "fcntl", "fcntl64", "pipe2", "eventfd2",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "fstat", "fstat64", "newfstatat", "fstatat64",
	"statx", "readlinkat", "lseek", "getdents64", "setns", "pidfd_open", "pidfd_getfd",
	// memory, threads, time and signals of the Go runtime
	"mmap", "mmap2", "munmap", "mprotect", "mremap", "madvise", "mincore", "brk", "futex", "futex_time64", "exit", "exit_group", "sched_yield",
	"sched_getaffinity", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "getrandom",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "restart_syscall", "gettid", "getpid", "getppid", "getuid",
	"geteuid", "getgid", "getegid", "set_robust_list", "rseq", "set_tid_address", "arch_prctl", "prlimit64", "getrlimit", "ugetrlimit",
	"setitimer", "timer_create", "timer_settime", "timer_delete", "uname", "sysinfo", "capget",
}

// Numbers of conditions on arguments.
const (
	cloneThread = 0x00010000
	notReadOnly = 0o1 | 0o2 | 0o100 | 0o1000 // O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
)

// filterSystemCalls leaves the helper those system calls, for all of its threads and for good. New threads are allowed and new
// processes are not; files can be opened to be read; and sockets are of the domains that the allow-list has.
func filterSystemCalls(allow *socketcore.Allow) error {
	info, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	group := seccomp.SyscallGroup{Action: seccomp.ActionAllow}
	for _, name := range systemCalls {
		if _, known := info.SyscallNames[name]; known {
			group.Names = append(group.Names, name)
		}
	}
	when := func(name string, argument uint32, operation seccomp.Operation, value uint64) {
		group.NamesWithCondtions = append(group.NamesWithCondtions, seccomp.NameWithConditions{
			Name: name, Conditions: []seccomp.Condition{{Argument: argument, Operation: operation, Value: value}},
		})
	}
	when("clone", 0, seccomp.BitsSet, cloneThread)
	when("openat", 2, seccomp.BitsNotSet, notReadOnly)
	when("tgkill", 0, seccomp.Equal, uint64(os.Getpid()))
	for _, domain := range allow.OpenDomains() {
		when("socket", 0, seccomp.Equal, uint64(domain))
	}
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true, Flag: seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{group}},
	})
}
