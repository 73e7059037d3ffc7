package wire

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
)

// EndpointName is the file in the folder of recordings that says where the recorder's socket is. It exists while the
// recorder runs, and after a crash, when nobody answers on the socket.
const EndpointName = "recorder.json"

// Endpoint is where a recorder can be reached.
type Endpoint struct {
	Protocol  int       `json:"protocol"`
	PID       int       `json:"pid"`
	Socket    string    `json:"socket"` // absolute path; the file has only the name if it is in the same folder
	StartedAt time.Time `json:"started_at"`
}

// ReadEndpoint returns the endpoint in the folder. If there is none, or an empty one, the error has
// scout.CodeRecorderUnreachable.
func ReadEndpoint(dir string) (Endpoint, error) {
	path := filepath.Join(dir, EndpointName)
	data, err := os.ReadFile(path)
	if err != nil {
		return Endpoint{}, scout.Errorf(scout.CodeRecorderUnreachable, "no recorder in %s: %w", dir, err)
	}
	return decodeEndpoint(path, data)
}

func decodeEndpoint(path string, data []byte) (Endpoint, error) {
	var e Endpoint
	err := json.Unmarshal(data, &e)
	if err == nil && e.Socket != "" && filepath.Base(e.Socket) == e.Socket {
		e.Socket = filepath.Join(filepath.Dir(path), e.Socket) // it moves with the folder
	}
	if err == nil && !filepath.IsAbs(e.Socket) {
		err = fmt.Errorf("socket %q", e.Socket)
	}
	if err != nil {
		return Endpoint{}, scout.Errorf(scout.CodeRecorderUnreachable, "endpoint %s: %w", path, err)
	}
	return e, nil
}

// FolderID identifies a folder by device and inode, and not by its path, which another folder may get. It is empty if
// the system does not report them.
func FolderID(info os.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
