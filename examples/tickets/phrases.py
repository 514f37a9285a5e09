"""What tickets are made of. Categories share words within themselves, as real tickets do."""

OPENINGS = ("Hello,", "Dear help desk,", "Good morning,", "Hi team,", "Dear all,", "")
CLOSINGS = ("Many thanks", "Best wishes, {person}", "Thanks, {person}", "{person}",
            "Kind regards", "")
PEOPLE = ("Ada", "Bruno", "Carla", "Dario", "Elin", "Fabio", "Gina", "Hans", "Irma", "Jan", "Kim",
          "Luca", "Mona", "Nico", "Olga", "Pia", "Reto", "Sara", "Timo", "Urs")
PATHS = ("/home", "/project", "/scratch", "/store")

PRIORITIES = {
    "high": (
        "This is urgent.",
        "Our deadline is tonight.",
        "The whole group has to stop.",
        "Please answer as soon as you can.",
    ),
    "normal": (
        "",
        "It worked last week.",
        "I have tried it again.",
        "Could you look into it?",
    ),
    "low": (
        "There is no hurry.",
        "Next month is early enough.",
        "I am only curious.",
        "Answer when you have time.",
    ),
}

PROBLEMS = {
    "storage": {
        "known": (
            "my quota on {path} is used up.",
            "saving a file on {path} fails because the disk is full.",
            "listing a directory on {path} takes minutes.",
            "please restore a directory of {path} from the backup.",
            "we need more disk space on {path}.",
            "some files on {path} have disappeared.",
        ),
        "new": (
            "the disk quota of {path} is too small for us.",
            "files that I saved on {path} are not there any more.",
            "opening files on {path} is very slow.",
            "is there a backup of my directory on {path}?",
        ),
    },
    "gpu": {
        "known": (
            "a GPU of {node} is missing.",
            "nvidia-smi reports an ECC error on {node}.",
            "CUDA finds no device on {node}.",
            "CUDA is out of memory though nothing else runs.",
            "the GPUs of {node} run at half of their clock.",
            "nvidia-smi does not answer on {node}.",
        ),
        "new": (
            "nvidia-smi shows one GPU too few on {node}.",
            "there are ECC errors in a GPU of {node}.",
            "my CUDA program sees no GPU on {node}.",
            "the clock of the GPU is too low on {node}.",
        ),
    },
    "network": {
        "known": (
            "{node} can't reach {other}.",
            "the link from {node} to {other} is broken.",
            "NCCL waits for ever between {node} and {other}.",
            "packets get lost between {node} and {other}.",
            "MPI is slow from {node} to {other}.",
            "the bandwidth of the link at {node} has dropped.",
        ),
        "new": (
            "the link between {node} and {other} loses packets.",
            "MPI from {node} does not reach {other}.",
            "NCCL has little bandwidth to {other}.",
            "is the link of {node} broken?",
        ),
    },
    "login": {
        "known": (
            "my password is not accepted.",
            "ssh refuses my key.",
            "my account has expired.",
            "I can't log in with ssh any more.",
            "please open an account for a new student.",
            "I have lost my second factor.",
        ),
        "new": (
            "ssh asks for a password although I have a key.",
            "please reset the password of my account.",
            "I can't log in, is my account closed?",
            "my second factor is not accepted.",
        ),
    },
    "software": {
        "known": (
            "please install the new version of GROMACS.",
            "the module for Python is missing.",
            "my program does not compile with the latest compiler.",
            "loading the module for PyTorch fails.",
            "a library is not found when GROMACS starts.",
            "which version of the compiler should I use?",
        ),
        "new": (
            "could you install a module for PyTorch?",
            "the compiler does not find a library.",
            "GROMACS fails after loading the new module.",
            "which version of Python is installed?",
        ),
    },
    "queue": {
        "known": (
            "job {job} has been pending since Monday.",
            "sbatch refuses my script.",
            "job {job} was killed at its time limit.",
            "I can't cancel job {job}.",
            "please extend the time limit of job {job}.",
            "why do my jobs wait so long in the queue?",
        ),
        "new": (
            "sbatch says that the time limit is too long.",
            "how long will job {job} be pending in the queue?",
            "please cancel job {job} for me.",
            "job {job} waits although nodes are idle.",
        ),
    },
    "billing": {
        "known": (
            "our project has no hours left.",
            "the invoice of last month is wrong.",
            "how many node hours have we used?",
            "we were charged for hours that we did not use.",
            "please move hours to our other project.",
            "who pays the invoice for a guest?",
        ),
        "new": (
            "the hours on the invoice are wrong.",
            "how many hours does our project have left?",
            "our project was charged twice last month.",
            "can we move unused hours to next month?",
        ),
    },
}
