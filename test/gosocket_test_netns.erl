%% Network namespaces that a case makes for itself: two hosts joined by a veth pair, and what it takes to skip where the
%% system does not let us make them.
-module(gosocket_test_netns).

-include("gosocket_test.hrl").

-export([with_hosts/1, ip/2, exec/2, shell/1, open/4, address/2, ifindex/1, mac/1, alone/1]).

-type host() :: #{name := string(), side := a | b}.

-export_type([host/0]).

-define(LINK, "veth0").

%% Runs Test with two hosts, each in a namespace of its own: their interface is `veth0', number 77, with the addresses of
%% address/2. Both are gone afterwards.
-spec with_hosts(fun((host(), host()) -> Result)) -> Result.
with_hosts(Test) ->
    gosocket_test_lib:skip_unless(gosocket_test_lib:has_ipv6(), "no IPv6 on loopback"),
    [A, B] = Hosts = [#{name => gosocket_test_lib:unique(), side => Side} || Side <- [a, b]],
    in_namespaces(Hosts, fun() ->
        ok = cable(["ip -n ", name(A), " link add " ?LINK " index 77 address ", mac_text(A), " type veth peer name " ?LINK " index 77 address ",
                    mac_text(B), " netns ", name(B), " 2>&1"]),
        lists:foreach(fun up/1, Hosts),
        %% The carrier of one end is the other end's being up, which the kernel notes a little later.
        gosocket_test_lib:wait_until(fun() -> lists:all(fun runs/1, Hosts) end),
        Test(A, B)
    end).

-spec cable(iodata()) -> ok.
cable(Command) ->
    case shell(Command) of
        "" -> ok;
        Why -> throw({skip, "no veth pairs: " ++ string:trim(Why)})
    end.

%% Runs Test with a namespace that has nothing but loopback.
-spec alone(fun((host()) -> Result)) -> Result.
alone(Test) ->
    Host = #{name => gosocket_test_lib:unique(), side => a},
    in_namespaces([Host], fun() -> Test(Host) end).

-spec in_namespaces([host()], fun(() -> Result)) -> Result.
in_namespaces(Hosts, Test) ->
    try
        lists:foreach(fun add/1, Hosts),
        Test()
    after
        [_ = shell(["ip netns del ", name(Host), " 2>&1"]) || Host <- Hosts]
    end.

-spec add(host()) -> ok.
add(#{name := Name} = Host) ->
    case shell(["ip netns add ", Name, " 2>&1"]) of
        "" -> ok;
        Why -> throw({skip, "no network namespaces: " ++ string:trim(Why)})
    end,
    ok = ip(Host, "link set lo up").

%% Without the second that an address waits for somebody to object to it (RFC 4862).
-spec up(host()) -> ok.
up(Host) ->
    "" = exec(Host, "sh -c 'echo 0 >/proc/sys/net/ipv6/conf/" ?LINK "/accept_dad' 2>&1"),
    ok = ip(Host, ["address add ", inet:ntoa(maps:get(addr, address(Host, inet))), "/24 broadcast + dev " ?LINK]),
    ok = ip(Host, ["address add ", inet:ntoa(maps:get(addr, address(Host, inet6))), "/64 nodad dev " ?LINK]),
    ok = ip(Host, "link set " ?LINK " up").

-spec runs(host()) -> boolean().
runs(Host) ->
    Links = exec(Host, "ip -6 -o address show dev " ?LINK " scope link"),
    string:find(Links, "fe80::") =/= nomatch andalso string:find(Links, "tentative") =:= nomatch
        andalso string:find(exec(Host, "ip -o link show dev " ?LINK), "LOWER_UP") =/= nomatch.

-spec name(host()) -> string().
name(#{name := Name}) -> Name.

%% One command of ip(8) inside the host; what it prints is a failure.
-spec ip(host(), iodata()) -> ok.
ip(#{name := Name}, Command) ->
    case shell(["ip -n ", Name, " ", Command, " 2>&1"]) of
        "" -> ok;
        Said -> ct:fail({ip, lists:flatten(io_lib:format("~s", [Command])), Said})
    end.

%% What a program prints that runs inside the host.
-spec exec(host(), iodata()) -> string().
exec(#{name := Name}, Command) ->
    shell(["ip netns exec ", Name, " ", Command]).

%% Debian keeps ip in sbin, which a user's PATH lacks.
-spec shell(iodata()) -> string().
shell(Command) ->
    os:cmd(binary_to_list(iolist_to_binary(["PATH=$PATH:/usr/sbin:/sbin; ", Command]))).

%% A socket in the host's namespace.
-spec open(host(), atom(), atom(), term()) -> gosocket_test_lib:socket().
open(#{name := Name}, Domain, Type, Protocol) ->
    case ?S:open(Domain, Type, Protocol, #{netns => "/var/run/netns/" ++ Name}) of
        {ok, Socket} -> Socket;
        {error, Reason} -> ct:fail({open, Domain, Type, Protocol, Reason})
    end.

%% The host's address, without a port; `link' is its link-local one, whose scope is the interface.
-spec address(host(), inet | inet6 | link) -> map().
address(#{side := Side}, inet) ->
    #{family => inet, addr => {10, 77, 0, last(Side)}};
address(#{side := Side}, inet6) ->
    #{family => inet6, addr => {16#fd77, 0, 0, 0, 0, 0, 0, last(Side)}};
address(#{side := Side}, link) ->
    #{family => inet6, addr => {16#fe80, 0, 0, 0, 0, 16#00ff, 16#fe00, last(Side)}, scope_id => 77}.

%% The interface number of the veth end, the same on both sides.
-spec ifindex(host()) -> pos_integer().
ifindex(_) -> 77.

-spec mac(host()) -> <<_:48>>.
mac(#{side := Side}) -> <<2, 0, 0, 0, 0, (last(Side))>>.

-spec mac_text(host()) -> string().
mac_text(Host) ->
    lists:flatten(lists:join($:, [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= mac(Host)])).

-spec last(a | b) -> 1 | 2.
last(a) -> 1;
last(b) -> 2.
