package job

import "time"

const (
	// restFor is how long the queue rests when an engine is paused or the store fails.
	restFor = 10 * time.Second
	// longestRest bounds how long the job waits that has met it.
	longestRest = time.Minute
)

// rest keeps all jobs from being begun for a while: the next one would most likely meet the same.
type rest struct {
	until time.Time
	// inARow is how many attempts have met it since one succeeded.
	inARow int
}

// rest begins a rest.
func (q *Queue) rest() {
	until := q.now().Add(restFor)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.resting.until = until
}

// rested notes that an attempt has met what the queue rests for.
func (q *Queue) rested() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.resting.inARow++
}

// goOn notes that an attempt has succeeded.
func (q *Queue) goOn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.resting = rest{}
}

// pauseOfRest is how long the job itself waits that meets a rest: longer each time, so that jobs which need another engine get their turn.
func (q *Queue) pauseOfRest() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return min(restFor*time.Duration(1+q.resting.inARow), longestRest)
}

// rests is how long no job is begun yet. A rest that is further away than one can be is over: the clock was set back.
func (q *Queue) rests(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.resting.until.Sub(now)
	if left > restFor {
		return 0
	}
	return max(0, left)
}
