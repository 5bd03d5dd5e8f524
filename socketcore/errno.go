package socketcore

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Errno is the number that a system call failed with; 0 means that it did not.
//
//nolint:errname // errno(3) has no other name
type Errno = syscall.Errno

// Errnos that callers of this package give as answers of their own.
const (
	EBADF           = unix.EBADF
	EMFILE          = unix.EMFILE
	EINVAL          = unix.EINVAL
	ENOTSOCK        = unix.ENOTSOCK
	EAFNOSUPPORT    = unix.EAFNOSUPPORT
	EPFNOSUPPORT    = unix.EPFNOSUPPORT
	EPROTONOSUPPORT = unix.EPROTONOSUPPORT
	ESOCKTNOSUPPORT = unix.ESOCKTNOSUPPORT
	ENOTSUP         = unix.ENOTSUP
)

// errnoLimit is the highest number that Linux uses (include/uapi/asm-generic/errno.h).
const errnoLimit = int(unix.EHWPOISON)

// errnoNames is indexed by number. Where two names share a number x/sys/unix has the
// one that Erlang uses as well: eagain, edeadlk, enotsup.
var errnoNames = func() (names [errnoLimit + 1]string) {
	for e := range names {
		names[e] = strings.ToLower(unix.ErrnoName(Errno(e)))
	}
	return names
}()

var errnosByName = func() map[string]Errno {
	numbers := map[string]Errno{"ewouldblock": unix.EAGAIN, "edeadlock": unix.EDEADLK, "eopnotsupp": unix.EOPNOTSUPP}
	for e, name := range errnoNames {
		if name != "" {
			numbers[name] = Errno(e)
		}
	}
	return numbers
}()

// ErrnoName returns the lower-case name of an errno, "unknown" for a number that Linux
// does not use.
func ErrnoName(e Errno) string {
	if e < Errno(len(errnoNames)) && errnoNames[e] != "" {
		return errnoNames[e]
	}
	return "unknown"
}

// ErrnoNamed returns the errno of a lower-case name, the second names of a number
// included; ok tells whether there is one.
func ErrnoNamed(name []byte) (e Errno, ok bool) {
	e, ok = errnosByName[string(name)]
	return e, ok
}
