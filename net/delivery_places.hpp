// How many peers delivery serves at the same time. A session takes one of its uid's places, or one
// of those for peers that may read nothing: no user can take them all. One that waits for a change
// has a place of another kind, so that those who wait keep nobody out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace tacit::net {

class delivery_places {
 public:
  struct limits {
    std::size_t sessions_per_uid = 2048;
    std::size_t waiting_per_uid = 8192;
    std::size_t strangers = 256;  // peers that may read nothing, of all uids
  };

 private:
  enum class kind : std::uint8_t { session, waiting, stranger };
  struct counts {
    limits most;
    std::unordered_map<std::uint32_t, std::size_t> sessions;  // by uid
    std::unordered_map<std::uint32_t, std::size_t> waiting;   // by uid
    std::size_t strangers = 0;

    bool take(kind which, std::uint32_t uid) {
      if (which == kind::stranger) return strangers < most.strangers && ++strangers > 0;
      std::size_t const at_most =
          which == kind::session ? most.sessions_per_uid : most.waiting_per_uid;
      std::size_t& taken = (which == kind::session ? sessions : waiting)[uid];
      if (taken >= at_most) return false;
      ++taken;
      return true;
    }
    void leave(kind which, std::uint32_t uid) {
      if (which == kind::stranger) {
        --strangers;
        return;
      }
      auto& by_uid = which == kind::session ? sessions : waiting;
      if (--by_uid[uid] == 0) by_uid.erase(uid);
    }
  };

 public:
  // A place that is taken, until it goes. It may outlive the places.
  class place {
   public:
    place() = default;  // none
    place(place&& other) noexcept
        : counts_(std::move(other.counts_)), which_(other.which_), uid_(other.uid_) {}
    place& operator=(place&&) = delete;
    ~place() {
      if (counts_) counts_->leave(which_, uid_);
    }
    explicit operator bool() const noexcept { return counts_ != nullptr; }

    // From now on, for good, it is the place of one who waits. False, and nothing changed, when the
    // uid has none left.
    [[nodiscard]] bool wait() {
      if (which_ == kind::waiting) return true;
      if (!counts_->take(kind::waiting, uid_)) return false;
      counts_->leave(which_, uid_);
      which_ = kind::waiting;
      return true;
    }

   private:
    friend class delivery_places;
    place(std::shared_ptr<counts> of, kind which, std::uint32_t uid)
        : counts_(std::move(of)), which_(which), uid_(uid) {}

    std::shared_ptr<counts> counts_;
    kind which_ = kind::session;
    std::uint32_t uid_ = 0;
  };

  delivery_places() : delivery_places(limits{}) {}
  explicit delivery_places(limits most) : counts_(std::make_shared<counts>()) {
    counts_->most = most;
  }

  // None when all are taken.
  [[nodiscard]] place take_session(std::uint32_t uid) { return take(kind::session, uid); }
  [[nodiscard]] place take_stranger() { return take(kind::stranger, 0); }

 private:
  [[nodiscard]] place take(kind which, std::uint32_t uid) {
    if (!counts_->take(which, uid)) return {};
    return {counts_, which, uid};
  }

  std::shared_ptr<counts> counts_;
};

}  // namespace tacit::net
