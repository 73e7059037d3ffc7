package pulse

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
)

// address returns network and address of the server: the given one, PULSE_SERVER, or the user's own. Of several
// addresses the first that can be understood counts.
func address(server string) (network, address string) {
	if server == "" {
		server = os.Getenv("PULSE_SERVER")
	}
	for _, one := range strings.Fields(server) {
		if strings.HasPrefix(one, "{") { // preceded by a machine's ID
			if _, rest, ok := strings.Cut(one, "}"); ok {
				one = rest
			}
		}
		kind, rest, found := strings.Cut(one, ":")
		switch {
		case strings.HasPrefix(one, "/"):
			return "unix", one
		case found && kind == "unix":
			return "unix", rest
		case found && (kind == "tcp" || kind == "tcp4" || kind == "tcp6"):
			if _, _, err := net.SplitHostPort(rest); err != nil {
				rest = net.JoinHostPort(rest, "4713")
			}
			return kind, rest
		}
	}
	dir := os.Getenv("PULSE_RUNTIME_PATH")
	if dir == "" {
		runtime := os.Getenv("XDG_RUNTIME_DIR")
		if runtime == "" { // where systems with logind put it
			runtime = "/run/user/" + strconv.Itoa(os.Getuid())
		}
		dir = filepath.Join(runtime, "pulse")
	}
	return "unix", filepath.Join(dir, "native")
}

// Diagnose says why the sound server could not be reached.
func Diagnose(server string, cause error) error {
	network, address := address(server)
	conn, err := net.DialTimeout(network, address, requestWithin)
	switch {
	case err == nil:
		_ = conn.Close() // it was opened to see whether it can be
		return scout.Errorf(scout.CodeSoundServer, "the sound server at %s refused the connection: %w", address, cause)
	case errors.Is(err, fs.ErrPermission):
		return scout.Errorf(scout.CodeDevicePermission, "no permission to use the sound server at %s: %w", address, err)
	}
	return scout.Errorf(scout.CodeSoundServer, "no sound server at %s: %w", address, err)
}

// cookie returns the user's secret for the server. A server on a local socket identifies the user without it, so a
// missing cookie is not an error.
func cookie() []byte {
	const size = 256
	paths := []string{os.Getenv("PULSE_COOKIE")}
	if dir, err := os.UserConfigDir(); err == nil {
		paths = append(paths, filepath.Join(dir, "pulse", "cookie"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		paths = append(paths, filepath.Join(home, ".pulse-cookie"))
	}
	for _, path := range paths {
		if cookie, err := os.ReadFile(path); err == nil && len(cookie) == size {
			return cookie
		}
	}
	return make([]byte, size)
}
