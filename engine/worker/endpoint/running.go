package endpoint

import "sync"

// running are the jobs that are answered, by their handles.
type running struct {
	mu   sync.Mutex
	jobs map[string]Job
}

// add keeps a job until the function that it returns is called. A job without a handle cannot be found.
func (r *running) add(handle string, job Job) (remove func()) {
	if handle == "" {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jobs == nil {
		r.jobs = map[string]Job{}
	}
	r.jobs[handle] = job
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.jobs, handle)
	}
}

// find returns a job that is answered, nil where there is none.
func (r *running) find(handle string) Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jobs[handle]
}
