package main

import (
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	lsm "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"gosocket/socketcore"
)

// readable is what the helper reads whatever its sockets do: who started it, processors and their quota, its own namespaces, those
// of ip-netns(8), the time zone of its log.
var readable = []string{"/proc", "/sys", "/dev/null", "/etc/localtime", "/usr/share/zoneinfo", "/run/netns", "/var/run/netns"}

// allRights are all that landlock(7) knows of files, up to its fifth version; that of 4 knew the ports of TCP first.
const allRights = lsm.AccessFSIoctlDev<<1 - 1

// restrictFiles has the kernel keep what the allow-list says of paths, namespaces and ports of TCP, for all threads and for good. No
// file can be written, made, moved or run, but for local sockets in the directories that the rule paths names. It returns the version
// of the rules that the kernel has.
func restrictFiles(allow *socketcore.Allow) (version int, err error) {
	version, err = lsm.LandlockGetABIVersion()
	if err != nil {
		return 0, err
	}
	bounds := allow.Bounds()
	var nets uint64
	var rules []landlock.Rule
	read, socketsIn := []string{"/"}, []string{"/"}
	if bounds.Namespaces != nil {
		read = append(append([]string{}, readable...), bounds.Namespaces...)
	}
	if bounds.Paths != nil {
		socketsIn = bounds.Paths
	}
	rules = append(rules, pathRules(lsm.AccessFSReadFile|lsm.AccessFSReadDir, read)...)
	rules = append(rules, pathRules(lsm.AccessFSMakeSock, socketsIn)...)
	if bounds.LocalPorts != nil {
		nets |= lsm.AccessNetBindTCP
		for _, port := range bounds.LocalPorts {
			rules = append(rules, landlock.BindTCP(port))
		}
	}
	if bounds.RemotePorts != nil {
		nets |= lsm.AccessNetConnectTCP
		for _, port := range bounds.RemotePorts {
			rules = append(rules, landlock.ConnectTCP(port))
		}
	}
	config := landlock.Config{HandledAccessFS: allRights, HandledAccessNet: landlock.AccessNetSet(nets)}
	return version, config.Restrict(rules...)
}

// pathRules allow what there is; a right of directories means nothing to files.
func pathRules(rights landlock.AccessFSSet, paths []string) (rules []landlock.Rule) {
	for _, path := range paths {
		info, err := os.Stat(filepath.Clean(path))
		switch {
		case err != nil:
		case info.IsDir():
			rules = append(rules, landlock.PathAccess(rights, path))
		case rights&lsm.AccessFSReadFile != 0:
			rules = append(rules, landlock.PathAccess(lsm.AccessFSReadFile, path))
		}
	}
	return rules
}
