package dispatch

import (
	"encoding/binary"

	"gosocket/etf"
	"gosocket/socketcore"
)

// errorOrigins are the values of ee_origin (linux/errqueue.h). The man page of the API
// has no name for 4, its reference has.
var errorOrigins = []socketcore.Name{
	{Name: "none", Value: 0}, {Name: "local", Value: 1}, {Name: "icmp", Value: 2}, {Name: "icmp6", Value: 3}, {Name: "txstatus", Value: 4},
}

// icmpNames are the names that an origin has for types, and for the codes of its
// destination unreachable.
type icmpNames struct {
	origin       byte
	types, codes []socketcore.Name
	unreachable  byte
}

var icmpTables = []icmpNames{
	{
		origin: 2, unreachable: 3, // RFC 792
		types: []socketcore.Name{{Name: "dest_unreach", Value: 3}, {Name: "time_exceeded", Value: 11}},
		codes: []socketcore.Name{
			{Name: "net_unreach", Value: 0},
			{Name: "host_unreach", Value: 1},
			{Name: "port_unreach", Value: 3},
			{Name: "frag_needed", Value: 4},
			{Name: "net_unknown", Value: 6},
			{Name: "host_unknown", Value: 7},
		},
	},
	{
		origin: 3, unreachable: 1, // RFC 4443
		types: []socketcore.Name{{Name: "dest_unreach", Value: 1}, {Name: "pkt_toobig", Value: 2}, {Name: "time_exceeded", Value: 3}},
		codes: []socketcore.Name{
			{Name: "noroute", Value: 0},
			{Name: "adm_prohibited", Value: 1},
			{Name: "not_neighbour", Value: 2},
			{Name: "addr_unreach", Value: 3},
			{Name: "port_unreach", Value: 4},
			{Name: "policy_fail", Value: 5},
			{Name: "reject_route", Value: 6},
		},
	},
}

// appendExtendedErr appends extended_err(): struct sock_extended_err, then the address
// of who reported the error; of family 0 when nobody did.
func appendExtendedErr(b, data []byte) []byte {
	const offender = 16
	origin, typ, code := data[4], data[5], data[6]
	var types, codes []socketcore.Name
	for i := range icmpTables {
		if icmpTables[i].origin == origin {
			types = icmpTables[i].types
			if typ == icmpTables[i].unreachable {
				codes = icmpTables[i].codes
			}
		}
	}
	var sa socketcore.Sockaddr
	sa.SetBytes(data[offender:])
	b = etf.AppendMap(b, 7)
	b = appendPosix(etf.AppendAtom(b, "error"), uint64(binary.NativeEndian.Uint32(data)))
	b = appendNamed(etf.AppendAtom(b, "origin"), errorOrigins, int64(origin))
	b = appendNamed(etf.AppendAtom(b, "type"), types, int64(typ))
	b = appendNamed(etf.AppendAtom(b, "code"), codes, int64(code))
	b = etf.AppendUint(etf.AppendAtom(b, "info"), uint64(binary.NativeEndian.Uint32(data[8:])))
	b = etf.AppendUint(etf.AppendAtom(b, "data"), uint64(binary.NativeEndian.Uint32(data[12:])))
	return appendSockaddr(etf.AppendAtom(b, "offender"), &sa)
}
