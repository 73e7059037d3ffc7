package api

import (
	"context"
	"time"

	"github.com/scout-speech/scout/internal/api/openai/files"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/browser"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/importation"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/upload"
	"github.com/scout-speech/scout/internal/webhook"
)

// Services are what the API offers to clients.
type Services struct {
	// Health runs the checks; now asks for a fresh result and the self-test.
	Health func(ctx context.Context, now bool) health.Report
	// NotReady names what a client has to wait for; empty when work is accepted.
	NotReady func(ctx context.Context) []string
	// Status is how the daemon is, but for the recorder and the connections.
	Status func(ctx context.Context) v1.Status
	// Settings are the settings with where they come from, without secrets.
	Settings func() v1.Settings
	// ChangeSettings saves a merge patch of Settings.Values: all of it or nothing. check is called with the settings that are about to be
	// changed; its error prevents the change. SettingsSchema is the JSON Schema of the values.
	ChangeSettings func(ctx context.Context, patch map[string]any, check func(now v1.Settings) error) (v1.Settings, error)
	SettingsSchema func() map[string]any
	// Devices lists what can be recorded from, and opens none. It returns the name of the sound system.
	Devices func(ctx context.Context) (string, []sound.Device, error)
	// Models are the models of the machine.
	Models Models
	// OpenAI is what the paths of OpenAI for files need; nil where they are not served.
	OpenAI *files.Options
	// ListenDevices has events written while a client wants to hear of devices that come and go, until end is called; nil where there are none.
	ListenDevices func() (end func())
	Recorder      Recorder
	// Folders are all folders of recordings.
	Folders recording.Folders
	// Levels calls each with the level of a device, empty for the one that is recorded from or would be, until ctx ends or each returns false;
	// then its error is nil.
	Levels func(ctx context.Context, device string, every time.Duration, each func(v1.Level) bool) error
	// Live makes text of recordings while they are made; nil where there is no live text.
	Live Dictations
	// Order is what is recorded where a request leaves things open.
	Order func() recording.Order
	// History has the texts, what is known about recordings, and the journal of events.
	History *history.History
	// Backlog makes the texts that were promised for recordings; nil where none are made.
	Backlog *backlog.Backlog
	// Degradation says by how much the daemon reduces its work.
	Degradation func() v1.Degradation
	// Jobs is the queue of durable work. Acceptable returns what is wrong with a request for a text, before a job is made of it.
	Jobs       *job.Queue
	Acceptable func(ctx context.Context, request transcription.Request) error
	// Webhooks tells other programs of events.
	Webhooks *webhook.Hooks
	// Uploads takes files; nil where none are taken.
	Uploads *upload.Uploads
	// Imports takes databases of the original Scout, and Exports keeps files of many recordings; nil where there are none.
	Imports *importation.Worker
	Exports *export.Worker
	// Browser takes sound while it is made; nil where none is taken.
	Browser *browser.Sessions
	// Realtime makes text of speech that clients send by OpenAI's protocol; nil where none is made.
	Realtime *realtime.Sessions
	// Retention removes what was kept long enough, and purges.
	Retention Retention
	// Storage tells what is kept on the disk. StatusHistory is how the figures of the daemon went, by span.
	Storage       Storage
	StatusHistory func(span string) v1.StatusHistory
	// Pages is the URL below which a browser on this machine finds the daemon; empty where it listens at no address.
	//
	//	secure  whether it is asked for over TLS: whoever does, trusts the certificate
	Pages func(secure bool) string
	// Backup writes a consistent copy of the database to a file that does not exist yet.
	Backup func(ctx context.Context, path string) error
}

// folderOf is the folder that has a recording.
func (s *Server) folderOf(id recording.ID) *recording.Folder { return s.services.Folders.Of(id) }

// Recorder starts and stops recordings.
type Recorder interface {
	Status(ctx context.Context) (recording.Status, error)
	Start(ctx context.Context, order recording.Order, begins func(recording.ID)) (recording.Started, error)
	Stop(ctx context.Context, id recording.ID) (record.Stopped, error)
	Folder() *recording.Folder
}
