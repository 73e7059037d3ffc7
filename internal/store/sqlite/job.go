package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

const jobColumns = `j.id, j.kind, j.state, j.class, j.client, j.recording, j.work, j.options, j.length, j.traceparent, j.attempt, j.max_attempts, j.run, j.ends,
	j.alone, j.fresh, j.place, j.since, j.next_at, j.created_at, j.started_at, j.finished_at, j.done, j.error, j.version, j.checkpoint`

// scanJob reads the columns, and further ones into more.
func scanJob(scan func(...any) error, more ...any) (store.Job, error) {
	var j store.Job
	var work sql.NullString
	var failure, options, checkpoint []byte
	var since, next, created, started, finished sql.NullInt64
	err := scan(append([]any{
		&j.ID, &j.Kind, &j.State, &j.Class, &j.Client, &j.Recording, &work, &options, &j.Length, &j.Traceparent, &j.Attempt, &j.MaxAttempts, &j.Run, &j.Ends,
		&j.Alone, &j.Fresh, &j.Place, &since, &next, &created, &started, &finished, &j.Done, &failure, &j.Version, &checkpoint,
	}, more...)...)
	if err != nil {
		return j, err
	}
	next.Valid = next.Int64 != 0
	j.Key, j.Options, j.Checkpoint = work.String, options, checkpoint
	j.Since, j.NextAt, j.CreatedAt, j.StartedAt, j.FinishedAt = fromMillis(since), fromMillis(next), fromMillis(created), fromMillis(started), fromMillis(finished)
	if failure != nil {
		if err := json.Unmarshal(failure, &j.Error); err != nil {
			return j, scout.Errorf(scout.CodeStoreCorrupt, "the error of job %s is damaged: %w", j.ID, err)
		}
	}
	return j, nil
}

// oneJob returns the job that the condition selects.
func (v view) oneJob(condition string, args ...any) (store.Job, error) {
	j, err := scanJob(v.row("SELECT "+jobColumns+" FROM jobs j WHERE "+condition, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return j, scout.Errorf(scout.CodeNotFound, "there is no such job").WithHint("see the jobs: scout jobs list")
	}
	return j, err
}

// Job returns a job.
func (v view) Job(id string) (store.Job, error) { return v.oneJob("j.id = ?", id) }

// JobWithKey returns the job of a kind that has the key.
func (v view) JobWithKey(kind, key string) (store.Job, error) {
	return v.oneJob("j.kind = ? AND j.work = ?", kind, key)
}

// PutJob adds a job, or replaces the one with its id.
func (t *tx) PutJob(j *store.Job) error {
	t.jobsChanged = true
	var work any
	if j.Key != "" {
		work = j.Key
	}
	var failure any
	code := ""
	if j.Error != nil {
		data, err := json.Marshal(j.Error)
		if err != nil {
			return err
		}
		failure, code = data, string(j.Error.Code)
	}
	var next int64
	if !j.NextAt.IsZero() {
		next = j.NextAt.UnixMilli()
	}
	options := []byte(j.Options)
	if options == nil {
		options = []byte("{}")
	}
	var checkpoint any
	if j.Checkpoint != nil {
		checkpoint = []byte(j.Checkpoint)
	}
	err := t.exec(`INSERT INTO jobs (id, kind, state, class, client, recording, work, options, length, traceparent, attempt, max_attempts, run, ends, alone, fresh,
		place, since, next_at, created_at, started_at, finished_at, done, code, error, version, checkpoint)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)
		ON CONFLICT (id) DO UPDATE SET state = ?3, class = ?4, work = ?7, length = ?9, attempt = ?11, max_attempts = ?12, run = ?13, ends = ?14, alone = ?15, fresh = ?16,
		place = ?17, since = ?18, next_at = ?19, started_at = ?21, finished_at = ?22, done = ?23, code = ?24, error = ?25, version = ?26, checkpoint = ?27`,
		j.ID, j.Kind, j.State, j.Class, j.Client, j.Recording, work, options, j.Length, j.Traceparent, j.Attempt, j.MaxAttempts, j.Run, j.Ends, j.Alone, j.Fresh,
		j.Place, j.Since.UnixMilli(), next, j.CreatedAt.UnixMilli(), millis(j.StartedAt), millis(j.FinishedAt), j.Done, code, failure, j.Version, checkpoint)
	if isConstraint(err) {
		return scout.Errorf(scout.CodeConflict, "another job does this work")
	}
	return err
}

// LastPlace is the highest place that any job has.
func (t *tx) LastPlace() (last int64, err error) {
	err = t.row("SELECT coalesce(max(place), 0) FROM jobs").Scan(&last)
	return last, err
}

// unfinished selects jobs that have not ended, in the words of the index.
const unfinished = "state NOT IN ('succeeded', 'dead', 'cancelled')"

// waiting selects jobs that wait for their turn, in the words of the index.
const waiting = "state IN ('queued', 'retrying')"

// UnfinishedJobs is how many jobs have not ended.
func (t *tx) UnfinishedJobs(client string) (all, own int, err error) {
	return t.unfinishedJobs(client)
}

// UnfinishedJobs is how many jobs have not ended.
func (s *Store) UnfinishedJobs(ctx context.Context, client string) (all, own int, err error) {
	err = s.read(ctx, "count jobs", func(v view) error {
		all, own, err = v.unfinishedJobs(client)
		return err
	})
	return all, own, err
}

func (v view) unfinishedJobs(client string) (all, own int, err error) {
	err = v.row("SELECT count(*), count(*) FILTER (WHERE client = ?) FROM jobs WHERE "+unfinished, client).Scan(&all, &own)
	return all, own, err
}

// jobs returns the jobs that the rest of a statement selects.
func (v view) jobs(rest string, args ...any) ([]store.Job, error) {
	var list []store.Job
	err := v.each(func(rows *sql.Rows) error {
		j, err := scanJob(rows.Scan)
		list = append(list, j)
		return err
	}, "SELECT "+jobColumns+" FROM jobs j "+rest, args...)
	return list, err
}

// RunningJobs returns all jobs that run.
func (t *tx) RunningJobs() ([]store.Job, error) {
	return t.jobs("WHERE j.state = 'running' ORDER BY j.key")
}

// isDue selects waiting jobs that may be begun, with the arguments of dueArgs.
const isDue = "(next_at <= ? OR next_at > ?)"

func dueArgs(due store.DueJobs) []any { return []any{due.Now.UnixMilli(), due.Latest.UnixMilli()} }

// FirstJobs returns the first waiting job of each client and class.
func (t *tx) FirstJobs(due store.DueJobs) ([]store.Job, error) {
	return t.jobs(`JOIN (SELECT key AS first, min(place) FROM jobs WHERE `+waiting+` AND alone = 0 AND `+isDue+` GROUP BY client, class) ON j.key = first`, dueArgs(due)...)
}

// LoneJob returns the job that runs alone and was ended least often.
func (t *tx) LoneJob(due store.DueJobs) (store.Job, bool, error) {
	var others bool
	err := t.row("SELECT EXISTS (SELECT 1 FROM jobs WHERE " + waiting + " AND alone = 0)").Scan(&others)
	if err != nil || others {
		return store.Job{}, false, err
	}
	j, err := t.oneJob("j."+waiting+" AND j.alone = 1 AND "+isDue+" ORDER BY j.ends, j.place LIMIT 1", dueArgs(due)...)
	if scout.CodeOf(err) == scout.CodeNotFound {
		return j, false, nil
	}
	return j, err == nil, err
}

// JobsWithState returns the ids of all jobs in a state.
func (t *tx) JobsWithState(state store.JobState, code scout.Code) ([]string, error) {
	query, args := "SELECT id FROM jobs WHERE state = ?", []any{state}
	if code != "" {
		query, args = query+" AND code = ?", append(args, code)
	}
	var ids []string
	err := t.each(func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, query+" ORDER BY key", args...)
	return ids, err
}

// AddJobParts keeps parts of the result of a job.
func (t *tx) AddJobParts(id string, parts ...json.RawMessage) error {
	for _, part := range parts {
		err := t.exec(`INSERT INTO job_parts (job, n, data) SELECT key, (SELECT coalesce(max(n), 0) + 1 FROM job_parts WHERE job = key), ?2 FROM jobs WHERE id = ?1`, id, []byte(part))
		if err != nil {
			return err
		}
	}
	return nil
}

// DropJobParts removes all parts of a job.
func (t *tx) DropJobParts(id string) error {
	return t.exec("DELETE FROM job_parts WHERE job = (SELECT key FROM jobs WHERE id = ?)", id)
}

// RemoveJob forgets a job.
func (t *tx) RemoveJob(id string) error {
	t.jobsChanged = true
	return t.exec("DELETE FROM jobs WHERE id = ?", id) // and its parts
}

// QueuePaused reports whether no job is begun.
func (v view) QueuePaused() (paused bool, err error) {
	err = v.row("SELECT paused FROM queue").Scan(&paused)
	return paused, err
}

// PauseQueue changes whether jobs are begun.
func (t *tx) PauseQueue(paused bool) error { return t.exec("UPDATE queue SET paused = ?", paused) }

// Job returns a job.
func (s *Store) Job(ctx context.Context, id string) (j store.Job, err error) {
	err = s.read(ctx, "read a job", func(v view) error {
		j, err = v.Job(id)
		return err
	})
	return j, err
}

// JobParts returns the parts of the result of a job.
func (s *Store) JobParts(ctx context.Context, id string) (parts []json.RawMessage, err error) {
	err = s.read(ctx, "read the parts of a job", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var data []byte
			err := rows.Scan(&data)
			parts = append(parts, data)
			return err
		}, "SELECT p.data FROM job_parts p JOIN jobs j ON j.key = p.job WHERE j.id = ? ORDER BY p.n", id)
	})
	return parts, err
}

// Jobs returns one page of the jobs that pass the filter.
func (s *Store) Jobs(ctx context.Context, filter store.JobFilter, page store.Page) (list store.Listing[store.Job], err error) {
	plan, err := filter.Check(page)
	if err != nil {
		return list, err
	}
	where, args := []string{"1"}, []any{}
	state := "j.state"
	if filter.State == store.JobSucceeded {
		state = "+j.state" // nearly all jobs are: from the index, which + leaves out, all of them would be sorted for each page
	}
	for column, value := range map[string]string{state: string(filter.State), "j.kind": filter.Kind, "j.client": filter.Client, "j.recording": filter.Recording} {
		if value != "" {
			where, args = append(where, column+" = ?"), append(args, value)
		}
	}
	if filter.Owner != "" {
		where, args = append(where, "(EXISTS (SELECT 1 FROM recordings r WHERE r.id = j.recording AND r.client = ?) OR j.kind = 'export' AND j.client = ?)"), append(args, filter.Owner, filter.Owner)
	}
	direction, beyond := "DESC", "j.key < ?"
	if plan.Ascending {
		direction, beyond = "ASC", "j.key > ?"
	}
	if plan.Position.Document != 0 {
		where, args = append(where, beyond), append(args, plan.Position.Document)
	}
	err = s.read(ctx, "list jobs", func(v view) error {
		var last int64
		err := v.each(func(rows *sql.Rows) error {
			var key int64
			j, err := scanJob(rows.Scan, &key)
			if len(list.Data) == plan.Limit {
				list.Next = plan.Cursor(store.Position{Document: last})
				return err
			}
			last = key
			list.Data = append(list.Data, j)
			return err
		}, "SELECT "+jobColumns+", j.key FROM jobs j WHERE "+strings.Join(where, " AND ")+" ORDER BY j.key "+direction+" LIMIT ?", append(args, plan.Limit+1)...)
		return err
	})
	return list, err
}

// JobCounts counts the jobs, those that have ended only if they are asked for.
func (s *Store) JobCounts(ctx context.Context, ended bool) (counts []store.JobCount, err error) {
	which := unfinished
	if ended {
		which = "1"
	}
	err = s.read(ctx, "count jobs", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var c store.JobCount
			var oldest, ready sql.NullInt64
			err := rows.Scan(&c.Kind, &c.State, &c.Client, &c.Alone, &c.N, &oldest, &ready, &c.Length)
			c.Oldest, c.Ready = fromMillis(oldest), fromMillis(ready)
			counts = append(counts, c)
			return err
		}, "SELECT kind, state, client, alone, count(*), min(since), min(max(since, next_at)), sum(length - done) FROM jobs WHERE "+which+" GROUP BY client, kind, state, alone")
	})
	return counts, err
}

// NextJob is when the next job that waits for its time may be begun; zero if there is none.
func (s *Store) NextJob(ctx context.Context, due store.DueJobs) (next time.Time, err error) {
	err = s.read(ctx, "look for the next job", func(v view) error {
		var at sql.NullInt64
		err := v.row("SELECT min(next_at) FROM jobs WHERE "+waiting+" AND NOT "+isDue, dueArgs(due)...).Scan(&at)
		next = fromMillis(at)
		return err
	})
	return next, err
}

// QueuePaused reports whether no job is begun.
func (s *Store) QueuePaused(ctx context.Context) (paused bool, err error) {
	err = s.read(ctx, "read the queue", func(v view) error {
		paused, err = v.QueuePaused()
		return err
	})
	return paused, err
}

// Line returns the jobs that run or wait, at most limit of them.
func (s *Store) Line(ctx context.Context, limit int) (line []store.Job, err error) {
	err = s.read(ctx, "read the line of jobs", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var j store.Job
			var since, next sql.NullInt64
			err := rows.Scan(&j.ID, &j.State, &j.Class, &j.Client, &j.Length, &j.Done, &j.Ends, &j.Alone, &j.Place, &since, &next)
			next.Valid = next.Int64 != 0
			j.Since, j.NextAt = fromMillis(since), fromMillis(next)
			line = append(line, j)
			return err
		}, "SELECT id, state, class, client, length, done, ends, alone, place, since, next_at FROM jobs WHERE "+unfinished+" AND state <> 'paused' LIMIT ?", limit)
	})
	return line, err
}

// LineVersion is another number after each change of jobs.
func (s *Store) LineVersion() uint64 { return s.lineVersion.Load() }
