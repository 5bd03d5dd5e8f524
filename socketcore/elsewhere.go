//go:build !linux

package socketcore

import _ "embed"

// Off Linux dozens of names of x/sys/unix are missing. A pattern that matches no file ends the build before that,
// in one line.
//
//go:embed "gosocket runs on Linux only"
var _ string
