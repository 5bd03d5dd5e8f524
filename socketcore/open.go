package socketcore

import (
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Open wraps socket(2) and makes owner the controlling process. The protocol of a packet
// socket is an EtherType in host order.
func (l *Loop) Open(domain, typ, proto int, owner []byte) (*Socket, Code) {
	if c := l.mayOpen(domain, typ, proto); c != 0 {
		return nil, c
	}
	if c := l.takePlace(); c != 0 {
		return nil, c
	}
	fd, e := openSocket(domain, typ, proto)
	if e != 0 {
		l.givePlace()
		return nil, Code(e)
	}
	return l.opened(fd, domain, typ, proto, owner), 0
}

func openSocket(domain, typ, proto int) (int, syscall.Errno) {
	if domain == unix.AF_PACKET {
		if proto > math.MaxUint16 {
			return -1, unix.EINVAL // the kernel would take the low 16 bits
		}
		proto = networkOrder(uint16(proto))
	}
	return sysSocket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
}

// networkOrder wraps htons(3).
func networkOrder(n uint16) int {
	return int(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n)))
}

func (l *Loop) opened(fd, domain, typ, proto int, owner []byte) *Socket {
	fds.hold(fd, false)
	return l.add(fd, domain, typ, protocolOf(fd, domain, proto), owner)
}

// protocolOf asks the kernel for the protocol of a socket, which is one that it chose when
// nobody asked for any. Unix sockets have none, and packet sockets have it in their name.
func protocolOf(fd, domain, asked int) int {
	switch domain {
	case unix.AF_UNIX:
		return asked
	case unix.AF_PACKET:
		var sa Sockaddr
		_ = sysName(unix.SYS_GETSOCKNAME, fd, &sa)
		p, _ := sa.Packet()
		return int(p.Protocol)
	}
	if p, e := sysGetInt(fd, unix.SO_PROTOCOL); e == 0 {
		return p
	}
	return asked
}

// netnsDir is where ip-netns(8) keeps namespaces by name.
const netnsDir = "/var/run/netns/"

// ownNetns is the network namespace of the calling thread.
const ownNetns = "/proc/thread-self/ns/net"

func netnsPath(name string) string {
	if name != "" && !strings.Contains(name, "/") {
		return netnsDir + name
	}
	return name
}

// netnsThreads bounds the threads that are in other namespaces at a time: each open needs
// one of its own, and the Go runtime ends a program that has too many.
var netnsThreads = make(chan struct{}, 32)

// OpenIn opens a socket in the network namespace with that name or path, on a thread that
// nobody else runs on meanwhile; done is called on the loop.
func (l *Loop) OpenIn(netns string, domain, typ, proto int, owner []byte, done func(*Socket, Code)) {
	netns = netnsPath(netns)
	c := l.mayOpen(domain, typ, proto)
	if c == 0 {
		c = l.mayEnter(netns)
	}
	if c == 0 {
		c = l.takePlace()
	}
	if c != 0 {
		done(nil, c)
		return
	}
	owner = append([]byte(nil), owner...)
	go func() {
		netnsThreads <- struct{}{}
		defer func() { <-netnsThreads }()
		fd, e := socketIn(netns, domain, typ, proto)
		l.Post(func() {
			if e != 0 {
				l.givePlace()
				done(nil, Code(e))
				return
			}
			done(l.opened(fd, domain, typ, proto, owner), 0)
		})
	}()
}

func socketIn(netns string, domain, typ, proto int) (int, syscall.Errno) {
	there, e := sysOpenToRead(netns)
	if e != 0 {
		return -1, e
	}
	defer sysClose(there)
	runtime.LockOSThread()
	home, e := sysOpenToRead(ownNetns)
	if e != 0 {
		runtime.UnlockOSThread()
		return -1, e
	}
	defer sysClose(home)
	if e := sysEnterNetns(there); e != 0 {
		runtime.UnlockOSThread()
		return -1, e
	}
	fd, e := openSocket(domain, typ, proto)
	// A thread that does not find home stays locked, and ends with its goroutine.
	if sysEnterNetns(home) == 0 {
		runtime.UnlockOSThread()
	}
	return fd, e
}
