package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/webhook"
)

// jobOutput is a job that was asked for, with where to find it.
type jobOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     v1.Job
}

// registerJobs adds the queue.
func (s *Server) registerJobs(api huma.API) {
	refusals := []scout.Code{
		scout.CodeRecordingNotFound, scout.CodeRecordingInUse, scout.CodeConflict, scout.CodeGone, scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeModelLanguage, scout.CodeModelUnsupported, scout.CodeQueueFull, scout.CodeDiskFull,
	}
	operation(api, about{
		method: http.MethodPost, path: "/jobs", role: roleClient, summary: "Ask for a job",
		description: "Makes the text of a recording in the background, or with the kind export a zip file of recordings and texts, whose url is in the result. The job survives the daemon, and a long one continues where it was. The same recording, task, model and options again are the same job, whatever its state, " +
			"unless force is true. With the task translate the text is English, whatever is spoken, and a transcript of its own, ID.mix.translate; a model that cannot translate is 400. If the queue is full, nothing is kept, and the answer is 429. With webhook, its receiver is told of the end of the job. A client asks for texts of its own recordings, with the priority normal or low. " +
			"As multipart/form-data, with the part file in place of recording_id, it takes the file, too: what is clearly not audio is 400, and with 202 it is on the disk.",
		errors: append(slices.Clone(refusals), scout.CodeDiskLow, scout.CodeAudioUnsupported, scout.CodeAudioCorrupt, scout.CodeAudioEmpty, scout.CodeAudioTooLong, scout.CodeDecoderMissing),
		status: http.StatusAccepted, also: []int{http.StatusOK},
	}, func(ctx context.Context, in *input[v1.NewJob]) (*jobOutput, error) {
		switch {
		case in.Body.Kind == job.KindExport:
			return s.addExport(ctx, &in.Body)
		case in.Body.RecordingID == "":
			return nil, unprocessable("body.recording_id", "a text is made of a recording: name it")
		case len(in.Body.RecordingIDs) > 0 || in.Body.All || len(in.Body.Formats) > 0:
			return nil, unprocessable("body", "recording_ids, all and formats go with the kind export")
		}
		return s.addJob(ctx, in.Body.Kind, in.Body.RecordingID, &in.Body.NewText)
	})
	operation(api, about{
		method: http.MethodPost, path: "/recordings/{id}/transcribe", role: roleClient, thing: thingRecording, summary: "Make a text of a recording",
		description: "The same as POST /jobs with the kind transcribe and this recording.",
		errors:      refusals, status: http.StatusAccepted, also: []int{http.StatusOK},
	}, func(ctx context.Context, in *struct {
		ByID
		Body *v1.NewText
	},
	) (*jobOutput, error) {
		return s.addJob(ctx, job.KindTranscribe, in.ID, cmp.Or(in.Body, &v1.NewText{}))
	})
	operation(api, about{
		method: http.MethodGet, path: "/jobs", role: roleClient, summary: "List jobs",
		description: "One page of the jobs that match the filter, newest first. A client sees those about its recordings.",
	}, s.jobs)
	operation(api, about{
		method: http.MethodGet, path: "/jobs/{id}", role: roleClient, thing: thingJob, summary: "Get a job",
		description: "With wait, the answer comes when its state changes, at the latest after so many seconds; at once, if it has ended.",
		errors:      []scout.Code{scout.CodeNotFound},
	}, s.job)
	s.registerJobEvents(api)
	for _, o := range []struct {
		name, summary, description string
		change                     func(*job.Queue, context.Context, string) (store.Job, error)
	}{
		{"cancel", "Cancel a job", "Nobody wants its result any more. One that runs is stopped. Repeating it does no harm.", (*job.Queue).Cancel},
		{"retry", "Try a job again", "Lets a job that is dead or cancelled begin again, at the end of the line and with all its attempts. Repeating it does no harm.", (*job.Queue).Retry},
		{"pause", "Hold a job back", "One that runs stops after the piece of audio that it is at, and keeps what is done. Repeating it does no harm.", (*job.Queue).Pause},
		{"resume", "Let a job go on that was held back", "It waits for its turn, and continues where it was. Repeating it does no harm.", (*job.Queue).Resume},
	} {
		operation(api, about{
			method: http.MethodPost, path: "/jobs/{id}/" + o.name, role: roleClient, thing: thingJob, summary: o.summary, description: o.description, errors: []scout.Code{scout.CodeNotFound, scout.CodeConflict, scout.CodeQueueFull},
		}, func(ctx context.Context, in *ByID) (*body[v1.Job], error) {
			j, err := o.change(s.services.Jobs, ctx, in.ID)
			return s.changed(ctx, &j, err)
		})
	}
	operation(api, about{
		method: http.MethodPatch, path: "/jobs/{id}", role: roleClient, thing: thingJob, summary: "Give a job another priority",
		description: "Of the jobs that wait, interactive ones go first, then normal, then low ones. Every 10 minutes of waiting count as one step. A client may choose normal or low.",
		errors:      []scout.Code{scout.CodeNotFound, scout.CodeConflict},
	}, func(ctx context.Context, in *struct {
		ByID
		Body v1.JobChange
	},
	) (*body[v1.Job], error) {
		if err := mayChoose(ctx, in.Body.Priority); err != nil {
			return nil, err
		}
		j, err := s.services.Jobs.Prioritize(ctx, in.ID, job.Priority(in.Body.Priority))
		return s.changed(ctx, &j, err)
	})
	operation(api, about{
		method: http.MethodDelete, path: "/jobs/{id}", role: roleClient, thing: thingJob, summary: "Forget a job",
		description: "Removes a job that has ended. What it made stays.",
		errors:      []scout.Code{scout.CodeNotFound, scout.CodeConflict}, status: http.StatusNoContent,
	}, func(ctx context.Context, in *ByID) (*none, error) {
		return &none{}, s.services.Jobs.Forget(ctx, in.ID)
	})
	operation(api, about{
		method: http.MethodPost, path: "/jobs/retry", summary: "Try many jobs again",
		description: "Lets all jobs begin again that are dead, or cancelled, with a code of their error if one is given, in the order in which they came. left is how many did not fit into the queue: ask again when there is room.",
	}, func(ctx context.Context, in *input[v1.RetryJobs]) (*body[v1.Retried], error) {
		n, left, err := s.services.Jobs.RetryAll(ctx, store.JobState(in.Body.State), scout.Code(in.Body.Code))
		return answer(v1.Retried{Count: n, Left: left}), err
	})
	s.registerExports(api)
	s.registerQueue(api)
}

// registerQueue adds what concerns all jobs.
func (s *Server) registerQueue(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/queue", summary: "The queue as a whole",
		description: "How many jobs there are, and how long a new one may have to wait.",
	}, func(ctx context.Context, _ *none) (*body[v1.Queue], error) { return s.queue(ctx) })
	for _, o := range []struct {
		name, summary, description string
		hold                       bool
	}{
		{"pause", "Hold all jobs back", "No further job starts, also after a start of the daemon. Those that run go on.", true},
		{"resume", "Let jobs start again", "Ends what pause has begun.", false},
	} {
		operation(api, about{method: http.MethodPost, path: "/queue/" + o.name, summary: o.summary, description: o.description}, func(ctx context.Context, _ *none) (*body[v1.Queue], error) {
			if err := s.services.Jobs.Hold(ctx, o.hold); err != nil {
				return nil, err
			}
			return s.queue(ctx)
		})
	}
}

// mayChoose refuses a client the priority of those who wait in front of a page.
func mayChoose(ctx context.Context, priority string) error {
	if job.Priority(priority) == job.Interactive && callerOf(ctx).role != roleOwner {
		return scout.Errorf(scout.CodePermissionDenied, "a client may choose the priority normal or low")
	}
	return nil
}

func (s *Server) addJob(ctx context.Context, kind, id string, in *v1.NewText) (*jobOutput, error) {
	if err := mayChoose(ctx, in.Priority); err != nil {
		return nil, err
	}
	r, err := s.audible(ctx, id)
	if err != nil {
		return nil, err
	}
	request, err := s.requestOf(ctx, in.Task, &in.TextOptions)
	if err != nil {
		return nil, err
	}
	request.Progressive = in.Progressive
	text, err := s.store().Transcript(ctx, request.Transcript(recording.ID(r.ID)), 0)
	switch {
	case scout.CodeOf(err) == scout.CodeNotFound: // it is to be made
	case err != nil:
		return nil, err
	case text.InTrash() != nil: // its versions would lie there, too
		return nil, text.InTrash()
	}
	hook, err := webhookOfJob(ctx, in.Webhook, "body.webhook")
	if err != nil {
		return nil, err
	}
	o := job.Order{
		Kind: kind, Recording: r.ID, Client: callerOf(ctx).id, Priority: job.Priority(in.Priority), Length: r.Duration, Traceparent: observe.Traceparent(ctx), Force: in.Force,
	}
	if o.Options, err = json.Marshal(request); err != nil {
		return nil, err
	}
	if o.Key, err = request.Key(recording.ID(r.ID)); err != nil {
		return nil, err
	}
	return s.submit(ctx, o, hook)
}

// submit adds a job. hook is told of its end, nil for nobody.
func (s *Server) submit(ctx context.Context, o job.Order, hook *webhook.OfJob) (out *jobOutput, err error) {
	o.Also = func(tx store.Tx, j *store.Job, made bool) error {
		out = &jobOutput{Status: http.StatusAccepted, Location: prefix + "/jobs/" + j.ID, Body: s.jobOf(ctx, j)}
		if !made {
			out.Status = http.StatusOK
		}
		if hook != nil {
			if err := hook.Attach(tx, j); err != nil {
				return err
			}
		}
		return remember(ctx, tx, j.Recording, out)
	}
	_, _, err = s.services.Jobs.Submit(ctx, o)
	return out, err
}

// audible returns a recording of the caller whose audio can be transcribed.
func (s *Server) audible(ctx context.Context, id string) (store.Recording, error) {
	r, err := s.recording(ctx, id)
	if scout.CodeOf(err) == scout.CodeRecordingNotFound {
		found, listErr := only(ctx, id, s.store().Recordings, func(r *store.Recording) string { return r.ID })
		if listErr != nil {
			return r, listErr
		}
		if found != nil {
			r, err = *found, nil
		}
	}
	switch {
	case scout.CodeOf(err) == scout.CodeRecordingNotFound, err == nil && !callerOf(ctx).owns(r.Client):
		return store.Recording{}, scout.Errorf(scout.CodeRecordingNotFound, "there is no recording %q", id)
	case err != nil:
		return r, err
	case !r.DeletedAt.IsZero():
		return r, scout.Errorf(scout.CodeConflict, "recording %s is in the trash", r.ID).WithHint("restore it first: scout recordings restore %s", r.ID)
	case r.Audio == store.AudioRemoved:
		err = export.Gone(&r)
		return r, err
	case r.State == string(recording.StateRecording):
		return r, scout.Errorf(scout.CodeRecordingInUse, "recording %s has not ended", r.ID)
	}
	_, err = s.folderOf(recording.ID(r.ID)).Manifest(recording.ID(r.ID)) // the files may be gone, and the store not know it yet
	return r, err
}

// requestOf checks the task and the options of a text, and settles its language and its keywords.
func (s *Server) requestOf(ctx context.Context, task string, o *v1.TextOptions) (transcription.Request, error) {
	keywords := slices.Concat(o.Keywords, phrases(o.Prompt))
	if len(keywords) > maxKeywords {
		return transcription.Request{}, unprocessable("body.keywords", "%d keywords, with those of the prompt: at most %d", len(keywords), maxKeywords)
	}
	request := transcription.Request{Model: o.Model, Language: o.Language, Effort: o.Effort, HotWords: keywords}
	if task != store.TaskTranscribe { // which is the same work as before there were tasks
		request.Task = task
	}
	candidates := o.Languages
	if o.Language != "" || len(candidates) == 0 {
		candidates = append([]string{o.Language}, candidates...)
	}
	var first error // the first candidate is refused as if it stood alone
	for _, language := range candidates {
		request.Language = language
		err := s.services.Acceptable(ctx, request)
		if err == nil {
			return request, nil
		}
		if first == nil {
			first = err
		}
	}
	return request, first
}

func (s *Server) jobs(ctx context.Context, in *struct {
	State       string `query:"state" enum:"queued,running,retrying,paused,succeeded,dead,cancelled"`
	Kind        string `query:"kind"`
	Client      string `query:"client"`
	RecordingID string `query:"recording_id"`
	Limit       int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor      string `query:"cursor"`
	Order       string `query:"order" enum:"desc,asc"`
},
) (*body[v1.Page[v1.Job]], error) {
	if kinds := s.services.Jobs.Kinds(); in.Kind != "" && !slices.Contains(kinds, in.Kind) {
		return nil, unprocessable("query.kind", "there are no jobs of the kind %q: want %s", in.Kind, strings.Join(kinds, " or "))
	}
	list, err := s.services.Jobs.Jobs(ctx,
		store.JobFilter{State: store.JobState(in.State), Kind: in.Kind, Client: in.Client, Recording: in.RecordingID, Owner: clientOf(ctx)},
		store.Page{Limit: in.Limit, Cursor: in.Cursor, Order: store.Order(in.Order)})
	if err != nil {
		return nil, err
	}
	out := v1.Page[v1.Job]{Data: make([]v1.Job, len(list.Data)), NextCursor: list.Next}
	places, err := s.services.Jobs.Positions(ctx, list.Data)
	if err != nil {
		return nil, err
	}
	for i := range list.Data {
		out.Data[i] = s.jobOf(ctx, &list.Data[i])
		out.Data[i].Position = places[list.Data[i].ID]
	}
	return answer(out), nil
}

func (s *Server) job(ctx context.Context, in *struct {
	ByID
	Wait int `query:"wait" minimum:"0" maximum:"60"`
},
) (*body[v1.Job], error) {
	waiting, cancel := context.WithTimeout(ctx, time.Duration(min(in.Wait, mostWait))*time.Second)
	defer cancel()
	go func() { // ended by cancel
		select {
		case <-s.ending:
			cancel()
		case <-waiting.Done():
		}
	}()
	j, err := s.services.Jobs.Wait(waiting, in.ID)
	if err != nil {
		return nil, err
	}
	out, err := s.placed(ctx, &j)
	return answer(out), err
}

// placed is a job with its place, while it waits.
func (s *Server) placed(ctx context.Context, j *store.Job) (v1.Job, error) {
	out := s.jobOf(ctx, j)
	var err error
	out.Position, err = s.services.Jobs.Position(ctx, j)
	return out, err
}

// changed answers a request that changed a job.
func (s *Server) changed(ctx context.Context, j *store.Job, err error) (*body[v1.Job], error) {
	if err != nil {
		return nil, err
	}
	return answer(s.jobOf(ctx, j)), nil
}

func (s *Server) queue(ctx context.Context) (*body[v1.Queue], error) {
	state, err := s.services.Jobs.State(ctx)
	if err != nil {
		return nil, err
	}
	out := v1.Queue{Paused: state.Paused, Counts: make(map[string]int), Slots: state.AtOnce, Degradation: s.services.Degradation().Level}
	for _, one := range store.JobStates() {
		out.Counts[string(one)] = state.Counts[one]
	}
	if !state.Oldest.IsZero() {
		out.OldestSeconds = v1.Seconds(max(0, time.Since(state.Oldest)))
	}
	if state.Known {
		wait := v1.Seconds(state.Wait)
		out.WaitSeconds = &wait
	}
	return answer(out), nil
}

func (s *Server) jobOf(ctx context.Context, j *store.Job) v1.Job {
	out := v1.Job{
		ID: j.ID, Kind: j.Kind, State: string(j.State), Priority: string(job.PriorityOf(j)), Client: j.Client, RecordingID: j.Recording, Options: j.Options,
		Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, CreatedAt: v1.Time{Time: j.CreatedAt}, StartedAt: v1.TimeOf(j.StartedAt), FinishedAt: v1.TimeOf(j.FinishedAt),
	}
	if j.State.Waiting() {
		out.NextAttemptAt = v1.TimeOf(j.NextAt)
	}
	if j.Length > 0 {
		done, total := v1.Seconds(j.Done), v1.Seconds(j.Length)
		out.Progress = &v1.JobProgress{Fraction: min(1, float64(j.Done)/float64(j.Length)), DoneSeconds: &done, TotalSeconds: &total}
		if !j.State.Ended() {
			out.Progress.RemainingSeconds = v1.Seconds(s.services.Jobs.Remaining(j))
		}
	}
	if moved, found := job.MovedOf(j); found {
		out.Progress = &v1.JobProgress{Fraction: moved.Fraction()}
		if moved.TotalBytes > 0 {
			out.Progress.DoneBytes, out.Progress.TotalBytes = &moved.DoneBytes, &moved.TotalBytes
		}
		if moved.TotalItems > 0 {
			out.Progress.DoneItems, out.Progress.TotalItems = &moved.DoneItems, &moved.TotalItems
		}
	}
	if j.Error != nil {
		_, body := v1.ErrorOf(j.Error.Err())
		out.Error = &body.Error
	}
	switch j.Kind {
	case job.KindModelPull:
		pulls(j, &out)
	case job.KindExport:
		s.tellExport(ctx, j, &out)
	case job.KindImport:
		tellImport(j, &out)
	}
	if j.State == store.JobSucceeded && j.Version > 0 {
		out.Result = &v1.JobResult{RecordingID: j.Recording, Version: j.Version, TranscriptID: job.TranscriptOf(j)}
	}
	return out
}
