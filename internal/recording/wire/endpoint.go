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

// EndpointName is the file in the folder of recordings that tells where the recorder's socket is. It
// is there while the recorder runs, and after a crash; what it names then nobody answers.
const EndpointName = "recorder.json"

// Endpoint is where a recorder can be reached.
type Endpoint struct {
	Protocol  int       `json:"protocol"`
	PID       int       `json:"pid"`
	Socket    string    `json:"socket"` // absolute path; in the file, the name alone where it is in the same folder
	StartedAt time.Time `json:"started_at"`
}

// ReadEndpoint returns the endpoint in the folder. Without one, or with one that says nothing, the
// error has scout.CodeRecorderUnreachable.
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

// FolderID names a folder by what it is rather than by its path, which may be given to another one: device and inode.
// It is empty where the system does not report.
func FolderID(info os.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
