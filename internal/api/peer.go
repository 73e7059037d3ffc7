package api

import (
	"os"

	"github.com/scout-speech/scout"
)

// allowed refuses a client of another user. The socket's mode keeps others out; this holds where somebody changed it. The
// administrator may do everything anyway.
func (c *connection) allowed() error {
	if c.err != nil {
		return scout.Errorf(scout.CodePermissionDenied, "it is not known who is asking: %w", c.err)
	}
	if uid := c.peer.UID; uid != os.Getuid() && uid != 0 {
		return scout.Errorf(scout.CodePermissionDenied, "this daemon serves the user %d alone, not the user %d", os.Getuid(), uid)
	}
	return nil
}
