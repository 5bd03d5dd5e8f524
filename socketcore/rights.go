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
			if level == unix.SOL_SOCKET && (typ == unix.SCM_RIGHTS || typ == unix.SCM_PIDFD) {
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

func descriptorIn(p []byte) int { return int(int32(binary.NativeEndian.Uint32(p))) }

// takeDescriptors makes the descriptors that came with a message those of the socket, which
// closes them when it goes. Who only peeks gets none: the message will bring its own.
func (s *Socket) takeDescriptors(control []byte, flags int) {
	for p := range DescriptorsIn(control) {
		fd := descriptorIn(p)
		switch {
		case fd < 0: // SCM_PIDFD of a process that is gone
		case flags&unix.MSG_PEEK != 0:
			sysClose(fd)
			binary.NativeEndian.PutUint32(p, noDescriptor)
		default:
			s.Receive(fd)
		}
	}
}

// noDescriptor stands where a descriptor was: -1.
const noDescriptor = ^uint32(0)

// Receive makes a descriptor that came through the socket one that closes with it, unless
// it is opened before.
func (s *Socket) Receive(fd int) {
	fds.receive(fd, s.ID)
	s.received = true
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
