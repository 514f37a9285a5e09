"""A real Kubernetes on this machine, for tests and for people.

    with KubernetesLab(nodes=2) as lab:            # lab.py; or the fixture kubernetes of tests/cluster
        lab.kubeconfig("limited", "exec")          # a file for the program under test
        lab.api.create(...), lab.kubectl(...)      # the test's own view
        lab.apiserver.kill(), lab.node("k1").lose(), lab.proxy().cut(), lab.forget_history()

A node is a set of namespaces with its own containerd and kubelet (node.py); fakes.py has nodes that are
only entries. Programs are built once from Debian's source (programs.py). Needs root, but for nodes=0.
"""
