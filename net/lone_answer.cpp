#include "net/lone_answer.hpp"

#include <array>

#include "core/crypto.hpp"
#include "net/answer.hpp"
#include "net/now.hpp"

namespace tacit::net {

std::string make_lone_answer(core::errc error, std::string_view message) {
  std::array<unsigned char, 8> random;
  core::fill_random(random);
  std::string id;
  for (unsigned char const byte : random) id.append(1, static_cast<char>('a' + byte % 26));
  error_face face = face_of(error);
  face.message = message;
  std::string body;
  append_error_body(body, face, std::nullopt);
  answer_head head;
  head.status = face.status;
  head.request_id = id;
  head.keep_alive = false;
  if (error == core::errc::unavailable) head.retry_seconds = 1;
  std::string answer;
  append_answer(answer, head, format_http_date(now_of_day()), body);
  return answer;
}

}  // namespace tacit::net
