package cli

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// TestPlainTextOfAConnection: what Go says about a connection is not for people.
func TestPlainTextOfAConnection(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "native")
	_, err := (&net.Dialer{}).DialContext(context.Background(), "unix", path)
	got := PlainText(fmt.Errorf("no sound server at %s: %w", path, err))
	if want := "no sound server at " + path + ": no such file or folder"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
