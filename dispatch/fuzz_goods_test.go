package dispatch

import (
	"maps"
	"slices"

	"gosocket/etf"
)

// goodCalls are good calls about the sockets of a program, of each name and some that wait.
func goodCalls() (calls [][]byte) {
	for i, call := range examples(socketMark) {
		call = slices.Clone(call)
		for k := range call {
			if k+4 <= len(call) && string(call[k:k+3]) == "\x7eSo" {
				call[k+3] = byte(i % 8)
			}
		}
		calls = append(calls, call)
	}
	me, you, ref, ever, now := atom("me"), atom("you"), 7, atom("infinity"), atom("nowait")
	at := func(n int) int { return socketMark + n }
	otp := func(n int, key string, value any) []byte {
		return tuple("setopt", at(n), me, atom("otp"), atom(key), value)
	}
	rights := []any{dict{"level": atom("socket"), "type": atom("rights"), "data": "\x7efd\x01"}} // rightMark
	here, there := rawTerm(addressOf(portMark)), dict{"family": atom("local"), "path": "fuzz"}
	return append(calls,
		tuple("accept", at(2), you, ever, ref), tuple("accept", at(3), me, now, ref),
		tuple("recv", at(4), me, 5, none, ever, ref), tuple("recv", at(5), you, 0, none, now, ref),
		tuple("recv", at(6), me, 5, none, now, ref), tuple("recv", at(7), you, 0, none, 1, ref),
		tuple("recv", at(6), you, 70_000, none, ever, ref), tuple("recvmsg", at(0), you, 0, 0, none, ever, ref),
		tuple("recvfrom", at(0), me, 0, none, ever, ref), tuple("recvfrom", at(1), me, 0, none, now, ref),
		tuple("recvmsg", at(7), me, 0, 0, none, now, ref),
		tuple("send", at(4), me, none, ever, ref, 5, "hello"), tuple("send", at(5), you, none, ever, ref, 3000, string(make([]byte, 3000))),
		tuple("send", at(6), me, none, ever, ref, 300_000, "begin"), tuple("send", at(7), me, none, now, ref, 5, "hello"),
		tuple("sendto", at(0), me, here, none, ever, ref, 5, "hello"), tuple("sendto", at(1), me, there, none, 0, ref, 5, "hello"),
		tuple("sendmsg", at(0), me, here, none, none, now, ref, 5, "hello"),
		tuple("sendmsg", at(6), you, atom("undefined"), none, none, ever, ref, 1, "x"),
		tuple("sendmsg", at(7), me, atom("undefined"), rights, none, 0, ref, 1, "x"),
		tuple("recvmsg", at(6), me, 0, 0, none, 0, ref), tuple("openfd", me, fdMark, dict{}),
		tuple("openfd", you, fdMark, dict{"dup": atom("false")}),
		tuple("connect", at(1), me, there, 0, ref), tuple("bind", at(1), there),
		tuple("bind", at(6), dict{"family": atom("local"), "path": "fuzz2"}),
		tuple("open", you, atom("inet"), atom("stream"), atom("tcp"), dict{}),
		tuple("open", me, atom("inet6"), atom("dgram"), atom("default"), dict{}),
		tuple("open", you, atom("local"), atom("seqpacket"), atom("default"), dict{}),
		otp(4, "rcvbuf", rawTerm(two(2, 100))), otp(5, "receive_ahead", 65_536), otp(6, "send_ahead", 65_536),
		otp(4, "send_ahead", 100), otp(7, "controlling_process", you), otp(6, "max_received_fds", 0), otp(6, "debug", atom("true")),
		tuple("getopt", at(4), atom("otp"), atom("fd")),
		tuple("setopt", at(4), me, atom("socket"), atom("linger"), dict{"onoff": atom("true"), "linger": 0}),
		tuple("setopt", at(5), me, atom("socket"), atom("rcvlowat"), 100),
		tuple("shutdown", at(4), atom("read_write")), tuple("shutdown", at(6), atom("write")),
		tuple("close", at(6), you), tuple("close", at(2), me),
		tuple("hello", dict{"ahead": atom("true"), "batch": atom("true")}), tuple("hello", dict{"delivered": atom("true")}),
	)
}

// addressOf is that of a port of loopback, as INTEGER_EXT.
func addressOf(port int32) []byte {
	b := etf.AppendMap(nil, 3)
	b = etf.AppendAtom(etf.AppendAtom(b, "addr"), "loopback")
	b = etf.AppendAtom(etf.AppendAtom(b, "family"), "inet")
	return etf.AppendInt32(etf.AppendAtom(b, "port"), port)
}

// goodItems are good items of each name. Those behind which a call may have no answer are the last ones.
func goodItems() (items [][]byte, lost int) {
	all := itemExamples(socketMark + 6)
	ends := []string{"died", "drop", "handback"}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(ends, name) {
			items = append(items, all[name])
		}
	}
	for _, name := range ends {
		items = append(items, all[name])
	}
	data := append(etf.AppendVersion(nil), etf.AppendInt32(etf.AppendTuple(nil, 2), 1<<20+7)...)
	data = append(data, two(atom("ok"), "some")...)
	return append(items, tuple("died", atom("me")), tuple("died", atom("you")), tuple("handback", socketMark+4, data)), len(ends) + 3
}
