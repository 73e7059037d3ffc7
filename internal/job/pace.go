package job

import (
	"sync"
	"time"
)

// pace is how fast jobs are done, from those that were.
type pace struct {
	mu sync.Mutex
	// perSecond is the time that a second of audio takes; 0 where none was done. each is the time of a job, and took and length are the time and
	// the audio of jobs with audio, all smoothed: a file of a moment says little about the pace.
	perSecond          float64
	each, took, length time.Duration
}

// weight is that of the newest job.
const weight = 0.2

// shortest is what a job with audio counts as at least: the header of a file may say that it has a single sample.
const shortest = time.Second

// done notes a job that was done.
func (p *pace) done(length, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.each == 0 {
		p.each = took
	}
	p.each += time.Duration(weight * float64(took-p.each))
	if length <= 0 {
		return
	}
	length = max(length, shortest)
	if p.length == 0 {
		p.took, p.length = took, length
	}
	p.took += time.Duration(weight * float64(took-p.took))
	p.length += time.Duration(weight * float64(length-p.length))
	p.perSecond = p.took.Seconds() / p.length.Seconds()
}

// wait is how long that much audio takes, where so many jobs run at once.
func (p *pace) wait(left time.Duration, atOnce int) (wait time.Duration, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.perSecond * float64(left) / float64(atOnce)), p.perSecond > 0 || left == 0
}

// ends is how often one of the jobs ends; 0 where none has ended yet.
func (p *pace) ends(jobs, atOnce int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.each / time.Duration(max(1, min(jobs, atOnce)))
}

// remaining is how long the rest of a job takes; 0 where that is not known.
func (p *pace) remaining(left time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.perSecond * float64(left))
}
