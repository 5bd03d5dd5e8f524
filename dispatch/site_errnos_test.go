package dispatch

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// manual says with which errnos the manual pages of section 2 have each system call fail, and, where these refer to them,
// those of section 7.
var manual = map[string][]syscall.Errno{
	"socket": {unix.EACCES, unix.EAFNOSUPPORT, unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EPROTONOSUPPORT, unix.EPERM},
	"bind": {
		unix.EACCES, unix.EADDRINUSE, unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EADDRNOTAVAIL, unix.EFAULT, unix.ELOOP,
		unix.ENAMETOOLONG, unix.ENOENT, unix.ENOMEM, unix.ENOTDIR, unix.EROFS,
	},
	"connect": {
		unix.EACCES, unix.EPERM, unix.EADDRINUSE, unix.EADDRNOTAVAIL, unix.EAFNOSUPPORT, unix.EAGAIN, unix.EALREADY, unix.EBADF,
		unix.ECONNREFUSED, unix.EFAULT, unix.EINPROGRESS, unix.EINTR, unix.EISCONN, unix.ENETUNREACH, unix.ENOTSOCK,
		unix.EPROTOTYPE, unix.ETIMEDOUT,
	},
	"listen": {unix.EADDRINUSE, unix.EBADF, unix.ENOTSOCK, unix.EOPNOTSUPP},
	"accept": {
		unix.EAGAIN, unix.EBADF, unix.ECONNABORTED, unix.EFAULT, unix.EINTR, unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENOBUFS,
		unix.ENOMEM, unix.ENOTSOCK, unix.EOPNOTSUPP, unix.EPERM, unix.EPROTO, unix.ENOSR, unix.ESOCKTNOSUPPORT,
		unix.EPROTONOSUPPORT, unix.ETIMEDOUT, unix.ENETDOWN, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH,
		unix.ENETUNREACH,
	},
	"shutdown": {unix.EBADF, unix.EINVAL, unix.ENOTCONN, unix.ENOTSOCK},
	"name":     {unix.EBADF, unix.EFAULT, unix.EINVAL, unix.ENOBUFS, unix.ENOTSOCK, unix.ENOTCONN},
	"recv":     receiveErrnos,
	"recvmsg":  receiveErrnos,
	"send":     sendErrnos,
	"sendmsg":  sendErrnos,
	"dup":      {unix.EBADF, unix.EINVAL, unix.EMFILE},
	"fcntl":    {unix.EACCES, unix.EAGAIN, unix.EBADF, unix.EBUSY, unix.EINVAL, unix.EPERM},
	"getsockopt": {
		unix.EBADF, unix.EFAULT, unix.EINVAL, unix.ENOPROTOOPT, unix.ENOTSOCK, unix.ENOBUFS, unix.ENOMEM,
	},
	"setsockopt": {
		unix.EBADF, unix.EFAULT, unix.EINVAL, unix.ENOPROTOOPT, unix.ENOTSOCK, unix.EDOM, unix.EISCONN, unix.ENOBUFS, unix.ENOMEM,
	},
	"epoll_ctl": {
		unix.EBADF, unix.EEXIST, unix.EINVAL, unix.ELOOP, unix.ENOENT, unix.ENOMEM, unix.ENOSPC, unix.EPERM,
	},
	// The others, EBADF, EFAULT and EINVAL, say that the program itself is wrong, and end it.
	"epoll_wait":    {unix.EINTR},
	"epoll_create1": {unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENOMEM},
	"eventfd2":      {unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENODEV, unix.ENOMEM},
	"pipe2":         {unix.EFAULT, unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENOPKG},
	"splice":        {unix.EAGAIN, unix.EBADF, unix.EINVAL, unix.ENOMEM, unix.ESPIPE},
	"ioctl":         {unix.EBADF, unix.EFAULT, unix.EINVAL, unix.ENOTTY, unix.ENODEV},
	"pidfd_open":    {unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENODEV, unix.ENOMEM, unix.ESRCH},
	"pidfd_getfd":   {unix.EBADF, unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.EPERM, unix.ESRCH},
	"open": {
		unix.EACCES, unix.EINTR, unix.EINVAL, unix.ELOOP, unix.EMFILE, unix.ENAMETOOLONG, unix.ENFILE, unix.ENODEV, unix.ENOENT,
		unix.ENOMEM, unix.ENOTDIR, unix.ENXIO, unix.EPERM,
	},
	"read":  {unix.EAGAIN, unix.EBADF, unix.EFAULT, unix.EINTR, unix.EINVAL, unix.EIO, unix.EISDIR},
	"setns": {unix.EBADF, unix.EINVAL, unix.ENOMEM, unix.EPERM, unix.ESRCH},
}

var receiveErrnos = []syscall.Errno{
	unix.EAGAIN, unix.EBADF, unix.ECONNREFUSED, unix.EFAULT, unix.EINTR, unix.EINVAL, unix.ENOMEM, unix.ENOTCONN, unix.ENOTSOCK,
	unix.ECONNRESET, unix.ETIMEDOUT,
}

var sendErrnos = []syscall.Errno{
	unix.EACCES, unix.EAGAIN, unix.EALREADY, unix.EBADF, unix.ECONNRESET, unix.EDESTADDRREQ, unix.EFAULT, unix.EINTR, unix.EINVAL,
	unix.EISCONN, unix.EMSGSIZE, unix.ENOBUFS, unix.ENOMEM, unix.ENOTCONN, unix.ENOTSOCK, unix.EOPNOTSUPP, unix.EPIPE,
}

// failsClosed are sites of the allow-list: what cannot be looked at is refused.
func failsClosed(s site) bool { return strings.HasPrefix(s.in, "(*Allow).") || s.in == "atHome" }

// saysSomethingElse are errnos that mean "wait", "again" or "it is done already", and so are nobody's answer.
var saysSomethingElse = map[syscall.Errno]bool{unix.EAGAIN: true, unix.EINPROGRESS: true, unix.EINTR: true, unix.EEXIST: true}

// neverFail are functions that ask the kernel for what it does not refuse, or whose answer is of no use.
var neverFail = map[string]string{
	"monotonic":     "a clock that every kernel has",
	"sysClose":      "the descriptor is gone, whatever close(2) says",
	"sysCloseWait":  "the same",
	"sysReady":      "without time to wait its one errno is EINTR, which stands for `nothing'",
	"(*Loop).Post":  "an eventfd takes 2^64 of these",
	"(*Loop).Drain": "EAGAIN alone, which is nothing to read",
}

// quiet are sites whose errno is nobody's answer, and why.
var quiet = map[site]string{
	{"(*Loop).recvExact", "setsockopt"}:      "without TCP_INQ the kernel is asked once more",
	{"(*Socket).userControl", "setsockopt"}:  "the same, the other way round",
	{"(*Loop).OpenFD", "getsockopt"}:         "the same",
	{"protocolOf", "getsockopt"}:             "the protocol that was asked for",
	{"(*Loop).ofDescriptor", "fcntl"}:        "calls that know MSG_DONTWAIT have it",
	{"(*Socket).unblock", "fcntl"}:           "the same",
	{"(*fdTable).usable", "getsockopt"}:      "what cannot be looked at is no socket: ebadf, or badarg",
	{"(*Loop).pour", "ioctl"}:                "what is not spliced is received",
	{"(*Loop).pour", "splice"}:               "the same",
	{"(*Loop).readBehind", "ioctl"}:          "what is behind is the next receive's",
	{"(*Loop).attemptPeek", "ioctl"}:         "the peek is done in smaller steps",
	{"(*Socket).peekOffset", "getsockopt"}:   "a kernel without SO_PEEK_OFF",
	{"(*Loop).hasMore", "setsockopt"}:        "the same",
	{"(*Loop).copyAhead", "recv"}:            "no copy; what is wrong is told to the next receive",
	{"(*Loop).goOn", "send"}:                 "the socket is closed, nobody is left to be told",
	{"(*Loop).closeBehind", "getsockopt"}:    "the same",
	{"(*Loop).closeSocket", "epoll_ctl"}:     "the same",
	{"(*Loop).discardBytes", "recv"}:         "what is owed is taken before the next receive",
	{"(*Loop).beginRest", "dup"}:             "the loop waits by itself",
	{"(*Loop).beginRest", "fcntl"}:           "the same",
	{"(*Loop).Free", "setsockopt"}:           "the program ends",
	{"protocolOf", "name"}:                   "a packet socket that cannot be asked for its protocol has none",
	{"newPipe", "fcntl"}:                     "a pipe of the usual size",
	{"enterOwnNetns", "open"}:                "a kernel that cannot be asked is not believed",
	{"enterOwnNetns", "setns"}:               "the same",
	{"statOf", "open"}:                       "who cannot be looked at has not started this program: eperm",
	{"statOf", "read"}:                       "the same",
	{"(*Loop).closeSlowly", "epoll_ctl"}:     "a close that nobody can be told the end of does not linger",
	{"(*Loop).endClosing", "setsockopt"}:     "the socket is closed",
	{"disconnect", "connect"}:                "who reads from it hears of the peer, not of this",
	{"disconnect", "shutdown"}:               "the same",
	{"(*Loop).closeBehindShared", "dup"}:     "what is ahead is dropped, nobody is left to be told",
	{"(*Loop).closeDuplicate", "epoll_ctl"}:  "the socket is closed",
	{"(*Loop).closeDuplicate", "shutdown"}:   "the same",
	{"(*Loop).closeDuplicate", "getsockopt"}: "the same",
	{"closeAtOnce", "setsockopt"}:            "the same",
	{"(*Socket).lingers", "getsockopt"}:      "the same",
	{"(*closing).begin", "getsockopt"}:       "the same",
	{"(*closing).begin", "ioctl"}:            "the same",
	{"(*closing).begin", "shutdown"}:         "the same",
	{"(*closing).isUnderWay", "getsockopt"}:  "the same",
}

// translated are errnos that have another word in the answer of the call, or none.
var translated = map[string]string{
	"(*fdTable).open: dup ebadf":                "openfd tells of what is no descriptor in words of its own",
	"(*Loop).ofDescriptor: getsockopt ebadf":    "the same",
	"(*Loop).ofDescriptor: getsockopt enotsock": "the same",
	"(*Loop).Adopt: pidfd_getfd ebadf":          "the same",
	"(*Socket).Peername: name enotconn":         "a connect goes on until there is a peer",
	"connectThrough: connect ealready":          "the same",
	"connectThrough: connect eisconn":           "it is connected",
	"(*Allow).descriptor: name enotconn":        "a socket without a peer has a name",
	"(*Allow).carried: getsockopt einval":       "an option that this kind of socket does not have",
	"(*Allow).carried: getsockopt enoprotoopt":  "the same",
}

// notHere are sites that no leg visits, and why.
var notHere = map[string]string{
	"(*Socket).associationState: getsockopt": "SCTP",
	"(*Allow).associations: getsockopt":      "SCTP",
	"(*Socket).BindMore: setsockopt":         "SCTP",
	"(*Socket).abandoned: getsockopt":        "SCTP",
	"(*Socket).patience: getsockopt":         "SCTP",
	"(*Loop).associate: connect":             "SCTP",
	"flagProbe.try: recv":                    "TestFlagsAreTriedOnAConnection",
	"flagProbe.try: send":                    "TestFlagsAreTriedOnAConnection",
	"(*Option).try: getsockopt":              "TestOptionIsAskedForUntilTheKernelHasSaid",
	"(*Option).try: setsockopt":              "TestOptionIsAskedForUntilTheKernelHasSaid",
	"(*Loop).Relisten: epoll_ctl":            "what is watched already stays so",
}

// privileged are sites that need capabilities.
var privileged = map[string]bool{"protocolOf: name": true, "socketIn: setns": true, "enterOwnNetns: setns": true, "openSocket: socket": true}
