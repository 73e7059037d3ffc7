package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// seconds is a length as it travels: in seconds, to the millisecond.
func seconds(d time.Duration) float64 { return v1.Seconds(d) }

// startedOutput has 201 for a recording that began, 200 for one that was under way.
type startedOutput struct {
	Status int
	Body   v1.Started
}

// registerRecorder adds what starts and stops recordings.
func (s *Server) registerRecorder(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/recorder", summary: "What is being recorded",
		description: "The state of the recorder, the recording in progress with its counts of frames, the room on the disk, and the last recording that ended.",
	}, func(ctx context.Context, _ *none) (*body[v1.Recorder], error) {
		return answer(s.recorder(ctx)), nil
	})
	operation(api, about{
		method: http.MethodPost, path: "/recorder/start", summary: "Start a recording",
		description: "The answer comes when sound arrives. All fields may be left out; then the settings apply. If the same recording is in progress already, the answer is 200 with already.",
		errors:      []scout.Code{scout.CodeAlreadyRecording, scout.CodeConflict, scout.CodeDeviceNotFound, scout.CodeNoDevice, scout.CodeDeviceUnavailable, scout.CodeDevicePermission, scout.CodeDeviceTimeout, scout.CodeSoundServer, scout.CodeRecordingLocked, scout.CodeRecorderUnreachable, scout.CodeRecorderStart, scout.CodeRecorderMissing, scout.CodeDiskFull, scout.CodeDiskLow, scout.CodeRecorderEnvironment},
		status:      http.StatusCreated, also: []int{http.StatusOK},
	}, s.start)
	operation(api, about{
		method: http.MethodPost, path: "/recorder/stop", summary: "Stop the recording",
		description: "The answer comes when the audio file is final. If nothing is being recorded, it names the last recording, with already.",
		errors:      []scout.Code{scout.CodeRecordingNotFound, scout.CodeRecorderUnreachable},
	}, s.stop)
	operation(api, about{
		method: http.MethodPost, path: "/recorder/cancel", summary: "Stop the recording and discard it",
		description: "Stops the recording and moves it to the trash, from which it can be restored.",
		errors:      []scout.Code{scout.CodeNotRecording, scout.CodeRecordingNotFound, scout.CodeRecorderUnreachable},
	}, s.cancel)
}

func (s *Server) start(ctx context.Context, in *optional[v1.Start]) (*startedOutput, error) {
	request, order, said, err := s.asked(in)
	if err != nil {
		return nil, err
	}
	text, err := s.promiseFor(ctx, orElse(request.Transcribe, true), &request.TextOptions)
	if err != nil {
		return nil, err
	}
	started, err := s.beginOnce(ctx, order, request, text.make)
	if err != nil {
		text.withdraw()
		return nil, err
	}
	out := &startedOutput{Status: http.StatusCreated, Body: v1.Started{
		Already: started.Already, WaitedSeconds: seconds(started.Waited), LeftSeconds: seconds(started.Left), Transcription: s.owed(started.ID), Warning: text.warning(),
	}}
	if started.Already {
		out.Status = http.StatusOK
	} else if err := s.describe(ctx, started.ID, said); err != nil && out.Body.Warning == nil {
		out.Body.Warning = s.warningOf(err)
	}
	noteRecording(ctx, string(started.ID))
	out.Body.RecordingInfo = s.begun(ctx, &started)
	return out, nil
}

// begin begins a recording, with live text unless a client wants none.
//
//	begins  told of the id before it begins
func (s *Server) begin(ctx context.Context, order recording.Order, request *v1.Start, begins func(recording.ID)) (recording.Started, error) {
	if s.services.Live == nil || !orElse(request.Live, true) {
		return s.services.Recorder.Start(ctx, order, begins)
	}
	return s.services.Live.Start(ctx, order, liveRequest(request), begins)
}

func liveRequest(r *v1.Start) dictate.Request {
	return dictate.Request{Language: r.Language, Model: r.Model, HotWords: r.Keywords}
}

// finish ends a recording, and its live text.
func (s *Server) finish(ctx context.Context, id recording.ID) (record.Stopped, error) {
	if s.services.Live == nil {
		return s.services.Recorder.Stop(ctx, id)
	}
	return s.services.Live.Stop(ctx, id)
}

// asked reads a request to start a recording: what it asks the recorder for, and how it describes the recording. A request
// without a body asks for what the settings say.
func (s *Server) asked(in *optional[v1.Start]) (*v1.Start, recording.Order, store.Description, error) {
	request := &v1.Start{}
	if in.Body != nil {
		request = in.Body
	}
	order, err := s.order(*request)
	if err != nil {
		return nil, order, store.Description{}, err
	}
	said, err := descriptionOf(*request)
	return request, order, said, err
}

// order is what a request asks for, over what the settings say.
func (s *Server) order(r v1.Start) (recording.Order, error) {
	order := s.services.Order()
	order.ID = recording.ID(r.ID)
	if r.ID != "" && !order.ID.Valid() {
		return order, unprocessable("body.id", "%q is not the id of a recording; without id Scout makes one", r.ID)
	}
	if r.Device != "" {
		order.Device = r.Device
	}
	if f := r.Format; f.SampleRate > 0 {
		order.Format.SampleRateHz = f.SampleRate
	}
	if r.Format.Channels > 0 {
		order.Format.Channels = r.Format.Channels
	}
	if r.Format.SampleFormat != "" {
		order.Format.Sample = scout.SampleFormat(r.Format.SampleFormat)
	}
	if err := order.Format.Validate(); err != nil {
		return order, &v1.InputError{Location: "body.format", Err: scout.Errorf(scout.CodeInvalidArgument, "%w", err)}
	}
	if r.OnLoss != "" {
		order.OnLoss = r.OnLoss
	}
	if r.Preroll != nil {
		if order.Preroll = time.Duration(*r.Preroll * float64(time.Second)); order.Preroll == 0 {
			order.Preroll = -1 // none
		}
	}
	const longest = 366 * 24 * 3600
	if r.MaxDuration > longest {
		return order, unprocessable("body.max_duration_seconds", "%g is more than %d", r.MaxDuration, longest)
	}
	order.Rules.MaxDuration = time.Duration(r.MaxDuration * float64(time.Second))
	order.Labels, order.Warm = r.Labels, r.Warm
	order.AskedAt = time.Now().Add(-time.Duration(r.AskedAgo * float64(time.Second)))
	if len(r.Environment) > 0 {
		list := make([]string, 0, len(r.Environment))
		for name, value := range r.Environment {
			list = append(list, name+"="+value)
		}
		order.Environment.Variables = recording.EnvironmentOf(list).Variables
	}
	return order, nil
}

func (s *Server) stop(ctx context.Context, in *optional[v1.Stop]) (*body[v1.Stopped], error) {
	var request v1.Stop
	if in.Body != nil {
		request = *in.Body
	}
	ctx = context.WithoutCancel(ctx) // a client that goes away changes nothing about a recording that is to end
	if s.services.Live != nil {      // first of all: what is said from now on is not meant
		s.services.Live.Stopping(recording.ID(request.ID), !orElse(request.Transcribe, true))
	}
	text, err := s.promiseFor(ctx, orElse(request.Transcribe, false), &request.TextOptions)
	if err != nil {
		return nil, err
	}
	before := begunWith(ctx) // the same request was sent before: it never ends another recording
	if before != "" {
		request.ID = string(before)
	}
	if status, err := s.services.Recorder.Status(ctx); err == nil && status.Recording != nil && (request.ID == "" || request.ID == string(status.Recording.ID)) {
		s.intend(ctx, status.Recording.ID)
		text.make(status.Recording.ID) // before it ends: it survives an end of this process in between
		if !orElse(request.Transcribe, true) {
			_ = s.withdraw(ctx, status.Recording.ID) // its text would be begun when it has ended; tried again below
		}
	}
	stopped, err := s.finish(ctx, recording.ID(request.ID))
	id := stopped.Manifest.ID
	if id == "" {
		return nil, err
	}
	switch {
	case request.Transcribe == nil:
	case !*request.Transcribe:
		err = errors.Join(err, s.withdraw(ctx, id))
	case !stopped.Already || !s.hasText(ctx, id):
		text.make(id)
	}
	s.ended(id)
	out := s.stopped(ctx, stopped, err)
	out.Already = out.Already && before == ""
	if out.Transcription = s.owed(id); out.Warning == nil {
		out.Warning = text.warning()
	}
	return answer(out), nil
}

func (s *Server) stopped(ctx context.Context, stopped record.Stopped, failed error) v1.Stopped {
	noteRecording(ctx, string(stopped.Manifest.ID))
	out := v1.Stopped{Recording: s.whole(ctx, &stopped.Manifest), Already: stopped.Already}
	if failed == nil {
		failed = stopped.Manifest.EndReason.Err()
	}
	if failed != nil {
		out.Warning = s.warningOf(failed)
		_ = s.options.Failures.Count(failed) // it returns its argument
	}
	return out
}

func (s *Server) cancel(ctx context.Context, _ *none) (*body[v1.Stopped], error) {
	ctx = context.WithoutCancel(ctx)
	id := begunWith(ctx)
	if m, found := s.inTrash(id); found {
		return answer(v1.Stopped{Recording: s.whole(ctx, &m)}), nil // the same request was sent before
	}
	if status, err := s.services.Recorder.Status(ctx); id == "" && err == nil && status.Recording != nil {
		id = status.Recording.ID
		s.intend(ctx, id)
	}
	if s.services.Live != nil && id != "" {
		s.services.Live.Discarded(id)
	}
	stopped, err := s.services.Recorder.Stop(ctx, id)
	switch {
	case stopped.Manifest.ID == "" && err != nil:
		return nil, err
	case stopped.Already && begunWith(ctx) == "":
		return nil, scout.Errorf(scout.CodeNotRecording, "nothing is being recorded").WithHint("to throw away a recording that ended: scout recordings delete")
	}
	if err := errors.Join(s.withdraw(ctx, stopped.Manifest.ID), s.services.Recorder.Folder().Trash(stopped.Manifest.ID)); err != nil {
		return nil, err
	}
	_ = s.services.History.See(ctx, string(stopped.Manifest.ID)) // if it fails, the next reconciliation sees it
	noteRecording(ctx, string(stopped.Manifest.ID))
	return answer(v1.Stopped{Recording: s.whole(ctx, &stopped.Manifest)}), nil
}

// recorder is how the recorder is, also where it cannot be asked.
func (s *Server) recorder(ctx context.Context) v1.Recorder {
	const within = time.Second
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	status, err := s.services.Recorder.Status(ctx)
	if err != nil {
		return v1.Recorder{State: "failed", Reason: scout.Plain(err)}
	}
	out := v1.Recorder{
		State: status.Capture, PID: status.PID, Device: nameOf(status.Device), Outage: string(status.Outage),
		Disk: &v1.Disk{FreeBytes: status.FreeBytes, LeftSeconds: seconds(status.Left), Low: status.DiskLow},
	}
	if r := status.Recording; r != nil {
		if out.State = "recording"; r.Stopping {
			out.State = "stopping"
		}
		out.Recording = &v1.Recording{
			ID: string(r.ID), StartedAt: v1.Time{Time: r.StartedAt}, Seconds: seconds(r.Format.Duration(r.Captured)), Format: formatOf(r.Format),
			CapturedFrames: r.Captured, WrittenFrames: r.Written, SyncedFrames: r.Synced, WaitingFrames: r.Waiting, LostFrames: r.Lost, Gaps: r.Gaps,
			Condition: string(r.Condition), Path: r.Path, Live: s.opening(string(r.ID)),
		}
	} else if out.State == "recording" { // a warm microphone records nothing
		out.State = "idle"
	}
	if m := status.Last; m != nil {
		last := s.whole(ctx, m)
		out.Last = &last
	}
	return out
}

// knownWithin bounds the look into the store for what is known of a recording besides its manifest: a start or a stop waits for it.
const knownWithin = 500 * time.Millisecond

// whole is a recording with all that is known of it. The manifest is enough if the store cannot be read.
func (s *Server) whole(ctx context.Context, m *recording.Manifest) v1.RecordingInfo {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), knownWithin)
	defer cancel()
	r, err := s.services.History.Recording(ctx, string(m.ID))
	if err != nil {
		r = store.Recording{
			ID: string(m.ID), Source: store.SourceMicrophone, State: string(m.State), StartedAt: m.StartedAt, EndedAt: m.EndedAt, Duration: m.Duration(),
			LostFrames: m.LostFrames(), Audio: store.AudioPresent, Labels: m.Labels,
		}
		r.Manifest, _ = json.Marshal(m) // it was read from JSON
	}
	return s.infoOf(ctx, &r)
}

// begun is a recording whose first frames are there. Its manifest may say less than the recorder did.
func (s *Server) begun(ctx context.Context, started *recording.Started) v1.RecordingInfo {
	m, err := s.services.Recorder.Folder().Manifest(started.ID)
	if err != nil {
		m = recording.Manifest{ID: started.ID, State: recording.StateRecording, StartedAt: started.StartedAt, Format: started.Format, Device: started.Device}
	}
	out := s.whole(ctx, &m)
	if out.Device == nil || out.Device.String() == "" {
		device := deviceOf(started.Device)
		out.Device = &device
	}
	if format := formatOf(started.Format); out.Format == nil {
		out.Format = &format
	}
	return out
}

func formatOf(f scout.Format) v1.Format {
	return v1.Format{SampleRate: f.SampleRateHz, Channels: f.Channels, SampleFormat: string(f.Sample)}
}

func nameOf(d recording.Device) string {
	if d.Name != "" {
		return d.Name
	}
	return d.ID
}
