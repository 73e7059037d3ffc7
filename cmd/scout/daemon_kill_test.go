//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/daemon"
)

// Every change that the daemon acknowledged is there after it was killed at any moment, and the database is sound.
func TestAcknowledgedChangesSurviveAKill(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.must("start", "--device", "tone:440")
	h.untilFrames(1_000)
	id := h.status().Recorder.Recording.ID
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.data, daemon.SocketName))
	}}}
	title := func(n int) bool {
		body := fmt.Sprintf(`{"title":"%d","labels":{"l%d":"%d"}}`, n, n%50, n)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://scout/api/v1/recordings/"+id, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return false
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return false // it was killed
		}
		_ = response.Body.Close() // the status says enough
		return response.StatusCode == http.StatusOK
	}
	random := rand.New(rand.NewPCG(3, 4))
	n, acknowledged := 0, 0
	for range 6 {
		pid := h.status().PID
		killed := make(chan struct{})
		go func() { // ends by itself
			time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond) // a random moment is what is tested
			_ = syscall.Kill(pid, syscall.SIGKILL)                         // it lives: it was just asked
			close(killed)
		}()
		for n++; title(n); n++ {
			acknowledged = n
		}
		<-killed
		h.untilNoDaemon()
		kept, err := strconv.Atoi(strings.TrimSpace(h.must("recordings", "title", id).out))
		if err != nil || kept != acknowledged && kept != n { // the last one may be there without an answer
			t.Fatalf("the title is %d, %v: %d was acknowledged and %d was tried", kept, err, acknowledged, n)
		}
	}
	if acknowledged < 6 {
		t.Errorf("only %d changes: the test kills too early", acknowledged)
	}
	h.must("check")
	h.must("stop")
	if m := h.only(); len(m.Gaps) != 0 {
		t.Errorf("gaps %v", m.Gaps)
	}
	t.Logf("%d changes were acknowledged", acknowledged)
}
