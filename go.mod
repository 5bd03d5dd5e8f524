module gosocket

go 1.26.0

require (
	github.com/rs/zerolog v1.35.1
	golang.org/x/sys v0.49.0
	kernel.org/pub/linux/libs/security/libcap/cap v1.2.78
	pgregory.net/rapid v1.3.0
)

require (
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	kernel.org/pub/linux/libs/security/libcap/psx v1.2.78 // indirect
)
