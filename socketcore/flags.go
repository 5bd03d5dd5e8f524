package socketcore

import "golang.org/x/sys/unix"

// A Name is a number with the name that people use for it.
type Name struct {
	Name  string
	Value int64
}

// SendFlags are the flags of sendmsg(2) that a caller may ask for. MSG_ZEROCOPY is not
// among them: the kernel would read buffers that are long used for something else.
var SendFlags = []Name{
	{"oob", unix.MSG_OOB},
	{"dontroute", unix.MSG_DONTROUTE},
	{"eor", unix.MSG_EOR},
	{"confirm", unix.MSG_CONFIRM},
	{"nosignal", unix.MSG_NOSIGNAL},
	{"more", unix.MSG_MORE},
}

// RecvFlags are the flags of recvmsg(2) that a caller may ask for.
var RecvFlags = []Name{
	{"oob", unix.MSG_OOB},
	{"peek", unix.MSG_PEEK},
	{"trunc", unix.MSG_TRUNC},
	{"errqueue", unix.MSG_ERRQUEUE},
	{"cmsg_cloexec", unix.MSG_CMSG_CLOEXEC},
}

// MsgNotification marks a message of an SCTP socket as an event (RFC 6458, section
// 3.1.2.1). It has the number of MSG_MORE, which is a flag for sending only.
const MsgNotification = 0x8000

// MsgFlags are the flags that recvmsg(2) answers with, in the order in which they are
// told.
var MsgFlags = []Name{
	{"eor", unix.MSG_EOR},
	{"trunc", unix.MSG_TRUNC},
	{"ctrunc", unix.MSG_CTRUNC},
	{"oob", unix.MSG_OOB},
	{"errqueue", unix.MSG_ERRQUEUE},
	{"notification", MsgNotification},
}
