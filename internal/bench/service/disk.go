package service

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	// diskBytes is the size of the disk, and uploadBytes what all uploads together are: more than there is room for.
	diskBytes   = 300_000_000
	uploadBytes = 400_000_000
	// afterUploads is how long the recording goes on when all of them were answered.
	afterUploads = 5 * time.Second
)

// disk fills a disk with uploads at the same time, while a recording goes on.
func disk(ctx context.Context, o Options, into *bench.Service) (err error) {
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "make a folder", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	why, unmount := mount(dir, diskBytes)
	if why != "" {
		into.Disk = &bench.ServiceDisk{Skipped: why}
		return nil
	}
	defer func() { err = errors.Join(err, unmount()) }()
	h, err := furnish(ctx, o, dir)
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	if err != nil {
		return err
	}
	found := &bench.ServiceDisk{Bytes: diskBytes, Uploads: o.Connections, Refused: map[string]int{}}
	tape, err := h.newTape(10 * time.Minute)
	if err != nil {
		return err
	}
	rolls, err := h.record(ctx, tape)
	if err != nil {
		return err
	}
	var kept shelf
	var refused, broken tally
	h.tell("disk: %d uploads at once, %d MB on a disk of %d MB", o.Connections, uploadBytes/1_000_000, diskBytes/1_000_000)
	cuts := newClips(o.Speech)
	size := time.Duration(float64(uploadBytes) / float64(o.Connections) / (2 * rate) * float64(time.Second))
	begin := make(chan struct{})
	var ready, wait sync.WaitGroup
	for range o.Connections {
		ready.Add(1)
		wait.Go(func() {
			fills(ctx, h, cuts.cut(size), func() { ready.Done(); <-begin }, &kept, [2]*tally{&refused, &broken})
		})
	}
	ready.Wait()
	close(begin)
	wait.Wait()
	if err := resilience.Sleep(ctx, afterUploads); err != nil {
		return err
	}
	if found.Recording, err = h.end(ctx, rolls); err != nil {
		return err
	}
	found.Kept, found.Refused, found.Broken = len(kept.all()), refused.all(), broken.all()
	if found.Missing, err = kept.missing(ctx, h.owner); err == nil {
		into.Disk = found
	}
	return err
}

// fills sends one file.
//
//	ready  is called before, and returns when all begin
//	told   the refusals that the client could read, and those that it could not
func fills(ctx context.Context, h *house, clip []byte, ready func(), shelf *shelf, told [2]*tally) {
	c := h.client(h.owner.key)
	defer c.close()
	kind, body := form(clip)
	sum := sumOf(clip)
	ready()
	a, err := c.do(ctx, "POST", api+"/jobs", map[string]string{"Content-Type": kind}, body)
	var made job
	switch {
	case err != nil:
		told[1].add(broken(err))
	case a.ok() && json.Unmarshal(a.body, &made) == nil:
		shelf.add(kept{made.RecordingID, made.ID, sum})
	case a.code() == "" || a.status >= 500 && a.status != 507 && a.status != 503:
		told[1].add(a.what())
	default:
		told[0].add(a.what())
	}
}
