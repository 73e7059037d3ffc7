package job

import (
	"sync"
	"time"
)

// pace is how fast jobs are done, from those that were.
type pace struct {
	mu sync.Mutex
	// perSecond is the time that a second of audio takes, and each the time of a job, both smoothed; 0 where none was done.
	perSecond float64
	each      time.Duration
}

// weight is that of the newest job.
const weight = 0.2

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
	one := took.Seconds() / length.Seconds()
	if p.perSecond == 0 {
		p.perSecond = one
	}
	p.perSecond += weight * (one - p.perSecond)
}

// wait is how long that much audio takes, where so many jobs run at once.
func (p *pace) wait(left time.Duration, atOnce int) (wait time.Duration, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.perSecond * float64(left) / float64(atOnce)), p.perSecond > 0 || left == 0
}

// Bounds of free. Source: the clients of OpenAI obey a pause of up to 60 s.
const (
	leastPause = time.Second
	mostPause  = time.Minute
)

// free is how long it takes until one of the jobs has ended.
func (p *pace) free(jobs, atOnce int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(max(p.each/time.Duration(max(1, min(jobs, atOnce))), leastPause), mostPause).Round(time.Second)
}

// remaining is how long the rest of a job takes; 0 where that is not known.
func (p *pace) remaining(left time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.perSecond * float64(left))
}
