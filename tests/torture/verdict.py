"""What campaigns have in common: how they are asked, and how they say what they found."""
import argparse
import random
import sys


def parser_of(name, **numbers):
    """Of the arguments of ./dev torture NAME: --seed, and numbers with their defaults."""
    parser = argparse.ArgumentParser(prog="./dev torture " + name)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    for number, default in numbers.items():
        parser.add_argument("--" + number, type=int, default=default)
    return parser


def first_faults(rounds, play):
    """The faults of the first round that has any, and how many rounds that took."""
    for number in range(rounds):
        faults = play(number)
        if faults:
            return faults, number + 1
    return [], rounds


def must_find(name, faults, when=""):
    """Of a control, a server with a fault planted: nothing found ends the campaign."""
    said = "found%s: %s" % (when, faults[0][:200]) if faults else "NOT FOUND" + when
    print("control %-14s %s" % (name, said), flush=True)
    if not faults:
        sys.exit("torture: a planted fault was not found: the figures would prove nothing")


def must_be_right(faults, where):
    """Any fault ends the campaign."""
    for fault in faults:
        print("FAULT %s %s" % (where, fault))
    if faults:
        sys.exit(1)
