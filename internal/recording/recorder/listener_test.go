package recorder_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/recording/wire"
)

func TestListenersHearEveryFrame(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	r := request()
	if _, err := c.Start(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	f.until(t, "some frames", written(3000))
	results := make(chan uint64, 4)
	for range cap(results) {
		go func() { results <- follow(t, f.Folder(), r.ID) }()
	}
	f.until(t, "more frames", written(16000))
	m, err := c.Stop(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(results) {
		if heard := <-results; heard != m.Frames {
			t.Errorf("a listener heard %d frames of %d", heard, m.Frames)
		}
	}
}

// follow follows a recording of the coded signal from its beginning and returns how many frames it
// had.
func follow(t *testing.T, folder *recording.Folder, id recording.ID) (pos uint64) {
	f, err := folder.Follow(id, recording.FollowOptions{Live: remote.Live{Dir: folder.Dir(), Name: "test"}})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	for {
		block, err := f.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return pos
		}
		if err != nil || uint64(block.Position) != pos {
			t.Errorf("at %d: block at %d, %v", pos, block.Position, err)
			return pos
		}
		for i := 0; i < len(block.Frames); i += 2 {
			if int16(binary.LittleEndian.Uint16(block.Frames[i:])) != virtual.Coded(seed, pos, 0) {
				t.Errorf("frame %d is another", pos)
				return pos
			}
			pos++
		}
	}
}

func TestASlowListenerIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	r := request()
	r.Format = scout.Format{SampleRateHz: 48000, Channels: 8, Sample: scout.SampleS16} // fills the socket soon
	r.Device, r.Buffer = "signal:7?rate=48000&channels=8", time.Second
	if _, err := c.Start(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	stream, err := (remote.Live{Dir: f.Folder().Dir()}).Listen(t.Context(), r.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.until(t, "more than socket and ring hold", written(144_000))
	m, err := c.Stop(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	checkCoded(t, f.Folder(), m)
	var pos, missed uint64
	for {
		part, err := stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(part.Frames) > 0 && uint64(part.Position) != pos {
			t.Fatalf("frames at %d, want %d", part.Position, pos)
		}
		missed += uint64(part.Position) - pos
		pos = uint64(part.Position) + uint64(len(part.Frames)/16)
	}
	if pos != m.Frames || missed == 0 {
		t.Errorf("heard up to %d of %d frames, %d missed", pos, m.Frames, missed)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
}

func TestLevelIsHeard(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	r := request()
	r.Device = "tone:440?rate=16000&level=0.5"
	if _, err := c.Start(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	err := c.WatchLevel(t.Context(), 0, func(l recording.Level) bool {
		return !(l.RMS > 0.3 && l.RMS < 0.4 && l.Peak > 0.45 && l.Peak < 0.55) // a sine of 0.5
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheRecorderSurvivesItsClients(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	r := request()
	if _, err := c.Start(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	endpoint, err := wire.ReadEndpoint(f.Folder().Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, bytes := range []string{"", "x", strings.Repeat("\xff", 100), "\x09\x00\x00\x00\x02" + strings.Repeat("\x00", 8), strings.Repeat("\x00", 1<<16)} {
		conn, err := net.Dial("unix", endpoint.Socket)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(bytes)) // the recorder may have hung up already
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	f.until(t, "some frames more", written(8000))
	m, err := c.Stop(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	checkCoded(t, f.Folder(), m)
}

func TestAnotherProtocolIsRefused(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	f.client(t)
	endpoint, err := wire.ReadEndpoint(f.Folder().Dir())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", endpoint.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the recorder hung up
	if err := wire.NewWriter(conn).WriteJSON(wire.KindHello, 3, wire.Hello{Protocol: wire.ProtocolVersion + 1}); err != nil {
		t.Fatal(err)
	}
	frame, err := wire.NewReader(conn).Next()
	if err != nil || frame.Kind != wire.KindFailure || frame.ID != 3 {
		t.Fatalf("answer %+v, %v", frame, err)
	}
	var failure wire.Failure
	if err := wire.DecodeJSON(frame, &failure); err != nil || failure.Code != scout.CodeRecorderProtocol {
		t.Errorf("failure %+v, %v", failure, err)
	}
}

func TestTheSocketIsPrivateWhereverItIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sub  string
	}{
		{"in the folder", ""},
		{"where the folder's path is too long", strings.Repeat("long/", 25)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := run(t, func(o *recorder.Options) { o.Dir = filepath.Join(o.Dir, c.sub) })
			f.client(t)
			endpoint, err := wire.ReadEndpoint(f.Folder().Dir())
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(endpoint.Socket)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 || info.Mode()&os.ModeSocket == 0 || len(endpoint.Socket) > 103 {
				t.Errorf("%s has mode %s", endpoint.Socket, info.Mode())
			}
		})
	}
}

// A stream has its connection to itself: nothing else is answered there, and the connection ends with it.
func TestAStreamTakesItsConnection(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	endpoint, err := wire.ReadEndpoint(f.Folder().Dir())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", endpoint.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the recorder hung up
	out, in := wire.NewWriter(conn), wire.NewReader(conn)
	for i, send := range []struct {
		kind wire.Kind
		body any
	}{
		{wire.KindHello, wire.Hello{Protocol: wire.ProtocolVersion}},
		{wire.KindListen, wire.Listen{ID: "20260101T000000000Z-000000000000"}}, // refused: the connection continues
		{wire.KindWatchEvents, struct{}{}},
	} {
		if err := out.WriteJSON(send.kind, uint64(i), send.body); err != nil {
			t.Fatal(err)
		}
		if f, err := in.Next(); err != nil || f.ID != uint64(i) {
			t.Fatalf("answer %+v, %v", f, err)
		}
	}
	if err := out.WriteJSON(wire.KindStatus, 9, struct{}{}); err != nil {
		t.Fatal(err)
	}
	if f, err := in.Next(); err == nil {
		t.Errorf("answer %+v", f)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}
