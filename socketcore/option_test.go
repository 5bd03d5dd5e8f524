package socketcore

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRowsAreComplete(t *testing.T) {
	for _, l := range Levels {
		if LevelNamed([]byte(l.Name)) != l {
			t.Errorf("level %s is not found by its name", l.Name)
		}
		for i := range l.Options {
			o := &l.Options[i]
			name := l.Name + " " + o.Name
			first := l.Option([]byte(o.Name))
			if first == nil && o.Flags&Unknown == 0 {
				t.Errorf("%s is not found by its name", name)
			}
			if o.Flags&Absent != 0 {
				if o.Number != noNumber || o.Readable() != nil || o.Settable() != nil {
					t.Errorf("%s is absent, but has a number or can be used", name)
				}
				continue
			}
			if o.Number < 0 || o.Type == nil || o.On == NoSort {
				t.Errorf("%s has no number, type or kind of socket", name)
				continue
			}
			if o.Readable() == nil && o.Settable() == nil && first == o {
				t.Errorf("%s can be neither read nor set", name)
			}
			checkType(t, name, o.Type)
		}
	}
	for i := range Cmsgs {
		checkType(t, Cmsgs[i].Name, Cmsgs[i].Recv)
	}
}

func checkType(t *testing.T, name string, typ *Type) {
	t.Helper()
	if typ.Short != "" {
		found := false
		for i := range typ.Fields {
			found = found || typ.Fields[i].Name == typ.Short
		}
		if !found {
			t.Errorf("%s: no field %s", name, typ.Short)
		}
	}
	for i := range typ.Fields {
		f := &typ.Fields[i]
		if f.Offset+f.Type.Size > typ.Size {
			t.Errorf("%s: %s ends behind the structure", name, f.Name)
		}
		if f.Type.Variable() && (i != len(typ.Fields)-1 || f.Offset != typ.Size) {
			t.Errorf("%s: %s is not at the end of the structure", name, f.Name)
		}
		checkType(t, name+" "+f.Name, f.Type)
	}
}

func TestNumbersOfALevelAreUsedOnce(t *testing.T) {
	// The C headers have two names for these.
	twice := map[string]bool{"msfilter": true, "addrform": true, "join_group": true, "leave_group": true, "pktinfo": true}
	for _, l := range Levels {
		names := make(map[int]string)
		for i := range l.Options {
			o := &l.Options[i]
			if o.Number == noNumber {
				continue
			}
			if other, used := names[o.Number]; used && !twice[o.Name] {
				t.Errorf("%s: %s and %s are both %d", l.Name, other, o.Name, o.Number)
			}
			names[o.Number] = o.Name
		}
	}
}

func TestProbesAskTheKernel(t *testing.T) {
	var p Probe
	lacking := opens(SCTP)(&p)
	for _, l := range Levels {
		for i := range l.Options {
			o := &l.Options[i]
			got := p.Option(o)
			want := Yes
			switch {
			case o.Flags&(Absent|Refused) != 0, l.Number == SolSCTP && lacking != 0:
				want = No
			case got == Unsure && unix.Geteuid() != 0, got == No && o.Flags&Extra != 0:
				continue // what other kernels lack
			}
			if got != want {
				t.Errorf("%s %s: %d, want %d", l.Name, o.Name, got, want)
			}
		}
	}
}

func TestEveryKindOfSocketOpens(t *testing.T) {
	for s := TCP; s <= PacketSocket; s++ {
		fd, done, e := s.Open()
		if e == unix.EPERM {
			t.Logf("%s needs CAP_NET_RAW", s)
			continue
		}
		if e != 0 {
			t.Errorf("%s: %v", s, e)
			continue
		}
		domain, e := sysGetInt(fd, unix.SO_DOMAIN)
		if e != 0 || domain != sorts[s].domain {
			t.Errorf("%s is of domain %d, %v", s, domain, e)
		}
		done()
	}
}

func TestControlMessagesAreSplitAsTheyWereJoined(t *testing.T) {
	var b []byte
	sizes := []int{0, 1, 4, 7, 8, 9, 20}
	want := 0
	for i, n := range sizes {
		b = AppendCmsg(b, i, -i, make([]byte, n))
		want += CmsgSpace(n)
	}
	if len(b) != want || unix.CmsgSpace(9) != CmsgSpace(9) {
		t.Errorf("%d bytes, CMSG_SPACE says %d", len(b), want)
	}
	for i, n := range sizes {
		level, typ, data, rest, ok := NextCmsg(b)
		if !ok || level != i || typ != -i || len(data) != n {
			t.Errorf("message %d: %d %d %d %v", i, level, typ, len(data), ok)
		}
		b = rest
	}
	if _, _, _, _, ok := NextCmsg(b); ok {
		t.Error("more messages than were joined")
	}
	parsed, err := unix.ParseSocketControlMessage(AppendCmsg(nil, 1, 2, []byte{3}))
	if err != nil || len(parsed) != 1 || parsed[0].Header.Level != 1 || parsed[0].Header.Type != 2 || len(parsed[0].Data) != 1 {
		t.Errorf("x/sys/unix reads %v, %v", parsed, err)
	}
}

func TestDescriptorsAreFound(t *testing.T) {
	descriptor := func(fd uint32) []byte { return binary.NativeEndian.AppendUint32(nil, fd) }
	b := AppendCmsg(nil, unix.SOL_SOCKET, unix.SCM_RIGHTS, slices.Concat(descriptor(5), descriptor(6), []byte{7, 0}))
	b = AppendCmsg(b, unix.SOL_IP, unix.IP_TOS, []byte{9})
	b = AppendCmsg(b, unix.SOL_SOCKET, unix.SCM_PIDFD, descriptor(8))
	var got []int
	for p := range DescriptorsIn(b) {
		got = append(got, descriptorIn(p))
	}
	if !slices.Equal(got, []int{5, 6, 8}) {
		t.Errorf("got %v", got)
	}
}

func TestFaultsReachOptions(t *testing.T) {
	Fault = func(call string, _ int) Errno {
		if call == "setsockopt" || call == "getsockopt" {
			return unix.ENOBUFS
		}
		return 0
	}
	defer func() { Fault = nil }()
	if e := Setsockopt(-1, 1, 2, nil); e != unix.ENOBUFS {
		t.Errorf("setsockopt: %v", e)
	}
	if _, e := Getsockopt(-1, 1, 2, nil); e != unix.ENOBUFS {
		t.Errorf("getsockopt: %v", e)
	}
}
