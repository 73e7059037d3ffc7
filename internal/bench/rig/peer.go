package rig

import (
	"bufio"
	"bytes"
	"context"
	_ "embed" // peer.py
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

//go:embed peer.py
var peerProgram string

// PeerOptions say how a peer is started.
type PeerOptions struct {
	// Python has faster-whisper: scripts/peer.sh.
	Python string
	// Model is a folder in CTranslate2's format.
	Model string
	Beam  int
}

// Peer is faster-whisper, in a process of its own with one thread and 8-bit weights. It implements bench.Transcriber.
type Peer struct {
	// Version names the program and its library.
	Version string
	// PID is its process.
	PID int

	reader   Reader
	command  *exec.Cmd
	requests io.WriteCloser
	answers  *bufio.Reader
	said     *bytes.Buffer // on standard error; to be read after Wait only
}

// peerAnswer is a line of peer.py.
type peerAnswer struct {
	Version  string  `json:"version"`
	Text     string  `json:"text"`
	Language string  `json:"language"`
	CPU      float64 `json:"cpu_seconds"`
	Error    string  `json:"error"`
}

// StartPeer starts a peer and waits until its model is loaded. The caller closes it; the end of ctx ends it too.
func StartPeer(ctx context.Context, reader Reader, o PeerOptions) (*Peer, error) {
	p := &Peer{reader: reader, said: new(bytes.Buffer)}
	p.command = exec.CommandContext(ctx, o.Python, "-c", peerProgram, o.Model, strconv.Itoa(o.Beam))
	p.command.Stderr = p.said
	var err error
	if p.requests, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the peer: %w", err)
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the peer: %w", err)
	}
	p.answers = bufio.NewReader(out)
	if err := p.command.Start(); err != nil {
		return nil, noPeer(err)
	}
	p.PID = p.command.Process.Pid
	first, err := p.answer()
	if err != nil {
		closeErr := p.Close()
		if ctx.Err() != nil {
			return nil, scout.Errorf(scout.CodeCancelled, "start the peer: %w", context.Cause(ctx))
		}
		lines := strings.Split(strings.TrimSpace(p.said.String()), "\n")
		return nil, noPeer(errors.Join(errors.New(lines[len(lines)-1]), closeErr))
	}
	p.Version = first.Version
	return p, nil
}

func noPeer(err error) error {
	return scout.Errorf(scout.CodeInvalidArgument, "faster-whisper cannot be started: %w", err).
		WithHint("scripts/peer.sh installs it for --peer; --peer-python names another Python, --peer-model a folder with model.bin")
}

func (p *Peer) answer() (a peerAnswer, err error) {
	line, err := p.answers.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	return a, err
}

// Transcribe sends a clip and waits for its text.
func (p *Peer) Transcribe(ctx context.Context, clip bench.Clip) (bench.Heard, error) {
	var samples []float32
	for _, file := range clip.Files {
		more, err := p.reader.Read(ctx, file, 0)
		if err != nil {
			return bench.Heard{}, err
		}
		samples = append(samples, more...)
	}
	heard := bench.Heard{Audio: time.Duration(len(samples)) * time.Second / scout.EngineSampleRateHz}
	request := struct {
		Samples  int     `json:"samples"`
		Language *string `json:"language"`
	}{Samples: len(samples)}
	if clip.Language != "" {
		request.Language = &clip.Language
	}
	head, err := json.Marshal(request)
	if err != nil {
		return heard, fmt.Errorf("ask the peer: %w", err)
	}
	raw := append(make([]byte, 0, len(head)+1+4*len(samples)), head...)
	raw = append(raw, '\n')
	for _, s := range samples {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(s))
	}
	if _, err := p.requests.Write(raw); err != nil {
		return heard, scout.Errorf(scout.CodeInternal, "ask the peer: %w", err)
	}
	a, err := p.answer()
	if err != nil {
		return heard, scout.Errorf(scout.CodeInternal, "the peer's answer about %s: %w", filepath.Base(clip.Files[0]), err)
	}
	if a.Error != "" {
		return heard, scout.Errorf(scout.CodeInternal, "the peer: %s", a.Error)
	}
	heard.Text, heard.Language, heard.CPU = a.Text, a.Language, time.Duration(a.CPU*float64(time.Second))
	return heard, nil
}

// Close ends the process.
func (p *Peer) Close() error {
	err := p.requests.Close()
	if waitErr := p.command.Wait(); waitErr != nil {
		err = errors.Join(err, fmt.Errorf("the peer: %w", waitErr))
	}
	return err
}
