package client

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

// removesWithin bounds how long a text that nobody wants any more may take to be removed: the user wants to leave.
const removesWithin = 1500 * time.Millisecond

// Asked is a file of which the daemon makes a text.
type Asked struct {
	Upload
	// Changed is called with the job at first, and after each change; nil for nobody.
	Changed func(j *v1.Job)
	// Keep leaves recording and text with the daemon.
	Keep bool
}

// Transcribe sends a file and returns its text, when a job has made it. What the daemon has of it is removed at the end, unless Keep is set;
// also where it fails, or ctx ends. Only an owner's key purges: that of a client removes the audio, and moves the text to the trash. The error of a job that failed has the code of what was wrong.
func (c *Client) Transcribe(ctx context.Context, a Asked) (t scout.Transcript, recording string, err error) {
	if a.Once == "" {
		a.Once = "scout transcribe " + strings.ToLower(ulid.Make().String())
	}
	a.Abandon = !a.Keep
	sent, err := c.Send(ctx, a.Upload)
	var j v1.Job
	if !a.Keep && sent.Recording != "" { // also where the answer came too late
		defer func() { c.forget(ctx, &sent, store.JobState(j.State)) }()
	}
	if err != nil {
		return t, sent.Recording, err
	}
	if sent.Job == "" {
		return t, sent.Recording, scout.Errorf(scout.CodeConflict, "the file was sent as recording %s, and no text is made of it", sent.Recording)
	}
	if j, err = c.await(ctx, sent.Job, a); err != nil {
		return t, sent.Recording, err
	}
	switch {
	case store.JobState(j.State) != store.JobSucceeded && j.Error != nil: // who asks knows the file, and not the recording
		j.Error.Message = strings.ReplaceAll(j.Error.Message, "recording "+sent.Recording, cmp.Or(a.Fields["filename"], "the file"))
		return t, sent.Recording, j.Error.Err()
	case store.JobState(j.State) != store.JobSucceeded || j.Result == nil:
		return t, sent.Recording, scout.Errorf(scout.CodeConflict, "the job %s that makes the text ended: it is %s", j.ID, j.State)
	}
	var made v1.Transcript
	err = c.patiently(ctx, a, func() error {
		return c.Get(ctx, fmt.Sprintf("/transcripts/%s?format=json&version=%d", url.PathEscape(cmp.Or(j.Result.TranscriptID, j.Result.RecordingID)), j.Result.Version), &made)
	})
	return made.Transcript(), sent.Recording, err
}

// await returns a job that has ended.
func (c *Client) await(ctx context.Context, id string, a Asked) (j v1.Job, err error) {
	path := "/jobs/" + url.PathEscape(id)
	for !store.JobState(j.State).Ended() {
		_ = c.Stream(ctx, path+"/events", func(e StreamEvent) bool { // asking for the job tells what is wrong
			var now v1.Job
			if e.Type == "job" && json.Unmarshal(e.Data, &now) == nil {
				a.changed(&now)
				return !store.JobState(now.State).Ended()
			}
			return true
		})
		err := c.patiently(ctx, a, func() error {
			j = v1.Job{}
			return c.Get(ctx, path+"?wait=30", &j)
		})
		if err != nil {
			return j, err
		}
		a.changed(&j)
	}
	return j, nil
}

func (a *Asked) changed(j *v1.Job) {
	if a.Changed != nil {
		a.Changed(j)
	}
}

// patiently repeats a request that changes nothing while it may succeed later.
func (c *Client) patiently(ctx context.Context, a Asked, ask func() error) error {
	var patience patience
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		pause, goOn := patience.after(err)
		if !goOn {
			return err
		}
		a.waiting(err, pause)
		if err := resilience.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// forget removes a recording with its text, for which a job may still run. Only the owner may purge: for others the audio is removed, and the text
// goes to the trash.
func (c *Client) forget(ctx context.Context, sent *Uploaded, state store.JobState) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removesWithin)
	defer cancel()
	path := "/recordings/" + url.PathEscape(sent.Recording)
	if scout.CodeOf(c.Do(ctx, http.MethodDelete, path+"?purge=true", nil, nil)) != scout.CodePermissionDenied {
		return // it is done, or the daemon does not answer: the text matters more
	}
	if sent.Job != "" && !state.Ended() {
		_ = c.Post(ctx, "/jobs/"+url.PathEscape(sent.Job)+"/cancel", nil, nil) // as above
	}
	_ = c.Do(ctx, http.MethodDelete, path+"?audio=only", nil, nil)
	_ = c.Do(ctx, http.MethodDelete, path, nil, nil)
}

// abandonEvery is how often an upload is tried to be removed whose last request may still be carried out.
const abandonEvery = 50 * time.Millisecond

// abandon removes an upload that nobody goes on with, also after ctx has ended. If it has become a recording meanwhile, done names that. What it
// cannot reach expires.
func (s *sending) abandon(ctx context.Context, done *Uploaded) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removesWithin)
	defer cancel()
	for ctx.Err() == nil {
		response, err := s.request(ctx, http.MethodHead, s.at, nil, nil)
		if err == nil {
			_ = response.Body.Close() // it has none
			done.Recording, done.Job = response.Header.Get(v1.HeaderRecording), response.Header.Get(v1.HeaderJob)
			if done.Recording != "" {
				return
			}
			if response, err = s.request(ctx, http.MethodDelete, s.at, nil, nil); err == nil {
				_ = response.Body.Close() // as above
				return
			}
		}
		if !worthwhile(err) || resilience.Sleep(ctx, abandonEvery) != nil {
			return
		}
	}
}
