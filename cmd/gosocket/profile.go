//go:build profile

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"
)

// init has a helper that was built with this tag profile itself: every two seconds it writes what its processor time went to
// into the directory GOSOCKET_PROFILES. `make profile` makes default.pgo of that.
func init() {
	dir := os.Getenv("GOSOCKET_PROFILES")
	if dir == "" {
		return
	}
	go func() {
		for n := 0; ; n++ {
			file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d.%d.prof", os.Getpid(), n)))
			if err != nil {
				panic(err)
			}
			if err := pprof.StartCPUProfile(file); err != nil {
				panic(err)
			}
			time.Sleep(2 * time.Second)
			pprof.StopCPUProfile()
			_ = file.Close()
		}
	}()
}
