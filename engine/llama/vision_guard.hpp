// How the C interface of the vision tower calls what may throw, and what may be stopped.
#pragma once

#include <cstdio>
#include <exception>
#include <new>

#include "vision_tower.hpp"

namespace qv {

// Runs body and turns what it throws into a status and a text.
template <typename F>
qv_status guarded(char * err, size_t err_size, F body) {
    try {
        return body();
    } catch (const cancelled &) {
        std::snprintf(err, err_size, "cancelled");
        return QV_CANCELLED;
    } catch (const std::bad_alloc &) {
        std::snprintf(err, err_size, "out of memory");
        return QV_NO_MEMORY;
    } catch (const std::exception & e) {
        std::snprintf(err, err_size, "%s", e.what());
        return QV_ERROR;
    }
}

// A function of a backend's registry that is not part of ggml's C interface.
template <typename F>
F backend_proc(ggml_backend_t b, const char * name) {
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(ggml_backend_get_device(b));
    return reinterpret_cast<F>(ggml_backend_reg_get_proc_address(reg, name));
}

// Points the CPU backends at a watch for as long as it lives.
class watch_scope {
  public:
    watch_scope(const qv_vision & v, qv_watch * watch) : v_(v) { set(qv_watch_poll, watch); }
    ~watch_scope() { set(nullptr, nullptr); }

  private:
    void set(ggml_abort_callback callback, qv_watch * watch) const {
        for (const auto & b : v_.backends) {
            if (auto f = backend_proc<ggml_backend_set_abort_callback_t>(b.get(), "ggml_backend_set_abort_callback")) {
                f(b.get(), callback, watch);
            }
        }
    }
    const qv_vision & v_;
};

// Fails where the tower cannot take images of this shape.
void check(const qv_vision & v, const shape & s);

}  // namespace qv
