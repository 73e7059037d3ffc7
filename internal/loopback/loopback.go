// Package loopback tells who is at the other end of a connection within this machine, and keeps ports of it. A port of the loopback address
// is open to every user of a machine; the kernel knows whose a connection is.
package loopback

import "errors"

// ErrGone is returned where no process has the client's end of the connection any more.
var ErrGone = errors.New("the client is gone")
