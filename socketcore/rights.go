package socketcore

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

// DescriptorsIn returns the places in control messages where descriptors stand: the kernel
// has put them into the receiving process, whether anybody wanted them or not (unix(7)).
func DescriptorsIn(control []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			level, typ, data, rest, ok := NextCmsg(control)
			if !ok {
				return
			}
			if carriesDescriptors(level, typ) {
				for ; len(data) >= 4; data = data[4:] {
					if !yield(data[:4]) {
						return
					}
				}
			}
			control = rest
		}
	}
}

func carriesDescriptors(level, typ int) bool {
	return level == unix.SOL_SOCKET && (typ == unix.SCM_RIGHTS || typ == unix.SCM_PIDFD)
}

func descriptorIn(p []byte) int { return int(int32(binary.NativeEndian.Uint32(p))) }

// takeDescriptors makes the descriptors that came with a message those of the socket, which
// closes them when it goes. Who only peeks gets none: the message will bring its own. Those
// beyond what the socket keeps are closed and taken out of the control messages, as the kernel
// leaves out what it has no room for; cut tells that there were some.
func (s *Socket) takeDescriptors(control []byte, flags int) (left []byte, cut bool) {
	at := 0
	for rest := control; ; {
		level, typ, data, next, ok := NextCmsg(rest)
		if !ok {
			return control[:at], cut
		}
		msg := rest[:len(rest)-len(next)]
		if carriesDescriptors(level, typ) {
			if n := s.keepDescriptors(data, flags); n < len(data)&^3 {
				cut = true
				msg = shorten(msg, n)
			}
		}
		if cut {
			copy(control[at:], msg)
		}
		at += len(msg)
		rest = next
	}
}

// shorten leaves n bytes of data in a control message, or nothing when that is none.
func shorten(msg []byte, n int) []byte {
	if n == 0 {
		return nil
	}
	binary.NativeEndian.PutUint64(msg, uint64(unix.SizeofCmsghdr+n))
	return msg[:min(CmsgSpace(n), len(msg))]
}

// keepDescriptors returns how many bytes of the data of a control message the socket keeps:
// all descriptors before the first one that is too many.
func (s *Socket) keepDescriptors(data []byte, flags int) (kept int) {
	for p := data; len(p) >= 4; p = p[4:] {
		fd, full := descriptorIn(p), kept < len(data)-len(p)
		switch {
		case fd < 0: // SCM_PIDFD of a process that is gone
		case flags&unix.MSG_PEEK != 0:
			sysClose(fd)
			binary.NativeEndian.PutUint32(p, noDescriptor)
		case full:
			sysClose(fd)
		case !s.Receive(fd):
			full = true
		}
		if !full {
			kept += 4
		}
	}
	return kept
}

// noDescriptor stands where a descriptor was: -1.
const noDescriptor = ^uint32(0)

// Receive makes a descriptor that came through the socket one that closes with it, unless
// it is opened before. One more than the socket keeps is closed at once.
func (s *Socket) Receive(fd int) bool {
	if !fds.receive(fd, s.ID, s.MaxReceivedFDs) {
		sysClose(fd)
		fds.closed(fd)
		return false
	}
	s.received = true
	return true
}

// CloseReceived closes a descriptor that came through the socket and was not opened.
func (s *Socket) CloseReceived(fd int) Code {
	if !fds.discard(fd, s.ID) {
		return Code(unix.EBADF)
	}
	sysClose(fd)
	fds.closed(fd)
	return 0
}

// dropReceived closes the descriptors that came through the socket and were not opened.
func (s *Socket) dropReceived() {
	if !s.received {
		return
	}
	for _, fd := range fds.unopened(s.ID) {
		sysClose(fd)
		fds.closed(fd)
	}
}
