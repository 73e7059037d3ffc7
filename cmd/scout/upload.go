package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/store"
)

// uploading are the flags of "scout upload".
type uploading struct {
	title, model, language, effort, priority string
	tags                                     []string
	noText, translate, force, quiet          bool
	hooked                                   hooked
	told                                     *v1.JobWebhook // who is told of the end of the job; nil for nobody
}

func newUploadCommand(a *app) *cobra.Command {
	var u uploading
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "upload FILE…",
		Short: "Send files to Scout, which keeps them and makes their texts",
		Long: `Sends files to the daemon of this machine, or of another one with --server. Each
becomes a recording, with a job that makes its text in the background. The
command prints the id of each recording.

An upload that is interrupted goes on where it was when the same command is
repeated within a day. A file that was sent before is not sent again, unless
--force is given.

The URL of --webhook is told of the end of each job, by the rules of Standard
Webhooks. With --server and the key of a client it may not lead to the machine
or the network of that Scout.`,
		Example: `  scout upload interview.m4a
  scout upload --server http://192.168.1.5:7268 --language de *.mp3
  scout upload --webhook https://notes.example/hooks/scout interview.m4a
  scout upload --no-text --title "Board meeting" board.wav`,
		Args: cli.WrongArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if u.told, err = u.hooked.webhook(); err != nil {
				return err
			}
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				return a.changeEach("uploaded", args, asJSON, func(path string) (any, string, error) {
					done, err := a.upload(ctx, c, path, &u)
					if err != nil {
						return nil, "", err
					}
					return done, done.Recording, nil
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&u.title, "title", "", "what the recording is called; default: the name of the file")
	flags.StringArrayVar(&u.tags, "tag", nil, "a tag for the recording; may be repeated")
	flags.StringVar(&u.model, "model", "", "the model; default: as the settings say")
	flags.StringVar(&u.language, "language", "", "the language that is spoken, for example de; default: the model finds out")
	flags.StringVar(&u.effort, "effort", "", "quick, normal or thorough; default: as the settings say")
	flags.StringVar(&u.priority, "priority", "", "interactive, normal or low; default: normal")
	u.hooked.add(cmd)
	flags.BoolVar(&u.translate, "translate", false, translateUsage)
	flags.BoolVar(&u.noText, "no-text", false, "keep the file and make no text of it")
	flags.BoolVar(&u.force, "force", false, "send it again, although it was sent")
	flags.BoolVarP(&u.quiet, "quiet", "q", false, "no progress")
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

// uploaded is a file that was sent, in JSON.
type uploaded struct {
	Path      string `json:"path"`
	Recording string `json:"recording_id"`
	Job       string `json:"job_id,omitempty"`
	Bytes     int64  `json:"size_bytes"`
	// Already says that it was sent before.
	Already bool `json:"already"`
}

// upload sends one file.
func (a *app) upload(ctx context.Context, c *client.Client, path string, u *uploading) (uploaded, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return uploaded{}, scout.FileError(scout.CodeReadFailed, "send "+path, err)
	case info.IsDir():
		return uploaded{}, scout.Errorf(scout.CodeFileIsDirectory, "send %s: it is a folder", path)
	case !info.Mode().IsRegular():
		return uploaded{}, scout.Errorf(scout.CodeInvalidArgument, "send %s: it is not a regular file", path).WithHint("write it into a file first")
	case info.Size() == 0:
		return uploaded{}, scout.Errorf(scout.CodeAudioEmpty, "send %s: it has 0 bytes", path).WithHint("see whether it was written to its end")
	}
	file, err := os.Open(path)
	if err != nil {
		return uploaded{}, scout.FileError(scout.CodeReadFailed, "send "+path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	fields, err := u.fields(path)
	if err != nil {
		return uploaded{}, err
	}
	once, err := u.once(path, info, fields)
	if err != nil {
		return uploaded{}, err
	}
	show := &sendProgress{show: newPullProgress(cli.NewConsole(a.Std.Err, u.quiet)), name: filepath.Base(path), size: info.Size(), began: time.Now(), first: -1}
	done, err := c.Send(ctx, client.Upload{File: file, Size: info.Size(), Fields: fields, Once: once, Progress: show.update})
	show.end()
	if err == nil && done.Already {
		err = stillThere(ctx, c, path, done.Recording)
	}
	return uploaded{path, done.Recording, done.Job, info.Size(), done.Already}, err
}

// stillThere returns an error if the recording of a file that was sent before is not among the recordings any more.
func stillThere(ctx context.Context, c *client.Client, path, id string) error {
	var r v1.RecordingInfo
	err := c.Get(ctx, "/recordings/"+url.PathEscape(id), &r)
	switch {
	case scout.CodeOf(err) == scout.CodeRecordingNotFound:
		return scout.Errorf(scout.CodeGone, "send %s: it was sent before, and its recording %s was removed", path, id).
			WithHint("send it again: scout upload --force FILE")
	case err != nil:
		return err
	case r.DeletedAt != nil:
		return scout.Errorf(scout.CodeConflict, "send %s: it was sent before, and its recording %s is in the trash", path, id).
			WithHint("take it out of the trash: scout recordings restore %s; or send it again: scout upload --force FILE", id)
	case r.Audio != string(store.AudioPresent):
		return scout.Errorf(scout.CodeGone, "send %s: it was sent before, and the audio of its recording %s was removed", path, id).
			WithHint("send it again: scout upload --force FILE")
	}
	return nil
}

// redrawBytesEvery is how often the line about a file is drawn.
const redrawBytesEvery = 100 * time.Millisecond

// sendProgress shows how much of a file was sent.
type sendProgress struct {
	name  string
	size  int64
	began time.Time

	mu    sync.Mutex
	show  *pullProgress // nil once it has ended
	first int64         // what an earlier command had sent; less than 0 until that is known
	drawn time.Time
}

// update may be called from any goroutine, also after the end: a request reads on for a moment.
func (p *sendProgress) update(sent int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first < 0 {
		p.first = sent
	}
	if p.show == nil || time.Since(p.drawn) < redrawBytesEvery {
		return
	}
	p.drawn = time.Now()
	elapsed := p.drawn.Sub(p.began)
	p.show.update(model.Progress{
		File: p.name, DoneBytes: sent, TotalBytes: p.size, Elapsed: elapsed, BytesPerSecond: float64(max(0, sent-p.first)) / max(elapsed.Seconds(), redrawBytesEvery.Seconds()),
	})
}

// end removes the line.
func (p *sendProgress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show.end()
	p.show = nil
}

// fields are what the daemon is told about a file.
func (u *uploading) fields(path string) (map[string]string, error) {
	fields := map[string]string{"filename": filepath.Base(path)}
	for name, value := range map[string]string{"title": u.title, "model": u.model, "language": u.language, "effort": u.effort, "priority": u.priority} {
		if value != "" {
			fields[name] = value
		}
	}
	if u.noText {
		fields["transcribe"] = "false"
	}
	if u.translate {
		fields["task"] = store.TaskTranslate
	}
	if u.told != nil {
		told, err := json.Marshal(u.told)
		if err != nil {
			return nil, fmt.Errorf("encode the webhook: %w", err)
		}
		fields["webhook"] = string(told)
	}
	if len(u.tags) > 0 {
		tags, err := json.Marshal(u.tags)
		if err != nil {
			return nil, fmt.Errorf("encode tags: %w", err)
		}
		fields["tags"] = string(tags)
	}
	return fields, nil
}

// once names an upload: the same file, unchanged, with the same fields.
func (u *uploading) once(path string, info os.FileInfo, fields map[string]string) (string, error) {
	if u.force {
		return "scout upload " + ulid.Make().String(), nil
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("send %s: %w", path, err)
	}
	data, err := json.Marshal([]any{absolute, info.Size(), info.ModTime().UnixNano(), fields})
	if err != nil {
		return "", fmt.Errorf("send %s: %w", path, err)
	}
	sum := sha256.Sum256(data)
	return "scout upload " + hex.EncodeToString(sum[:]), nil
}
