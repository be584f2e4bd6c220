#include "app/startup.hpp"

int main(int argc, char** argv) { return tacit::app::run_tacit(argc, argv, nullptr); }
