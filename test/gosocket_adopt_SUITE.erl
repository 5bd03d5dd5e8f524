%% Descriptors of the VM: whichever way they take to the helper, the socket works and the VM's own copy stays the VM's.
-module(gosocket_adopt_SUITE).

-export([
    connection_of_the_vm_lives_on_when_the_vm_closes_it/1,
    vm_keeps_its_copy_when_the_socket_is_closed/1,
    listener_of_the_vm_accepts_on_both_sides/1,
    datagrams_reach_whoever_reads/1,
    sockets_of_otps_own_module_are_adopted/1,
    family_without_a_name_is_adopted/1,
    what_is_no_socket_of_the_vm_is_an_error/1,
    options_are_checked_as_those_of_any_descriptor/1,
    adopting_again_and_again_leaves_nothing/1,
    death_in_the_middle_leaves_nothing/1,
    descriptor_is_given_to_nobody_but_the_helper/1,
    descriptor_of_a_stranger_is_not_taken/1,
    otp_without_sockets_is_enotsup/1,
    helper_serves_no_process_but_the_one_that_started_it/1
]).
%% in a fresh node, and on the way to the helper
-export([adopt_own_connection/0, stranger/2]).

-define(OURS, []).
-define(ONE_LANE, [
    descriptor_of_a_stranger_is_not_taken,
    helper_serves_no_process_but_the_one_that_started_it,
    descriptor_is_given_to_nobody_but_the_helper
]).
-include("gosocket_test.hrl").

-define(TCP, [binary, {active, false}]).

-spec each_way(config(), fun(() -> term())) -> ok.
each_way(Config, Fun) ->
    lists:foreach(fun(Way) ->
        try
            gosocket_test_fd:in_way(Way, Config, Fun)
        catch
            Class:Reason:Stack -> erlang:raise(Class, {Way, Reason}, Stack)
        end
    end, gosocket_test_fd:ways(Config)).

-spec adopt(integer()) -> socket().
adopt(FD) ->
    {ok, Socket} = ?S:open(FD, #{holder => vm}),
    ?assertMatch(#{ctype := {fromfd, FD}}, ?S:info(Socket)),
    Socket.

%% A connection inside the VM.
-spec tcp_pair() -> {gen_tcp:socket(), gen_tcp:socket()}.
tcp_pair() ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}} | ?TCP]),
    {ok, Port} = inet:port(Listener),
    {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Port, ?TCP),
    {ok, Server} = gen_tcp:accept(Listener, ?PATIENCE),
    ok = gen_tcp:close(Listener),
    {Client, Server}.

-spec fd(port()) -> integer().
fd(Port) ->
    {ok, FD} = inet:getfd(Port),
    FD.

%% ---- what is adopted ----

-spec connection_of_the_vm_lives_on_when_the_vm_closes_it(config()) -> term().
connection_of_the_vm_lives_on_when_the_vm_closes_it(Config) ->
    each_way(Config, fun() ->
        {Client, Server} = tcp_pair(),
        Socket = adopt(fd(Server)),
        Inode = gosocket_test_fd:target(gosocket_test_fd:vm(), fd(Server)),
        ?assertMatch(#{domain := inet, type := stream, protocol := tcp}, ?S:info(Socket)),
        ok = gen_tcp:close(Server),
        ?assertEqual({1, 0}, {gosocket_test_fd:holders(gosocket_test_fd:helper(), Inode),
                              gosocket_test_fd:holders(gosocket_test_fd:vm(), Inode)}),
        Data = random(100000),
        Reader = start(fun() -> ?S:recv(Socket, byte_size(Data)) end),
        await_parked(Socket, num_readers, 1),
        ok = gen_tcp:send(Client, Data),
        ?assertEqual({ok, Data}, result(Reader)),
        ok = ?S:send(Socket, <<"answer">>),
        ?assertEqual({ok, <<"answer">>}, gen_tcp:recv(Client, 6, ?PATIENCE)),
        close({Socket}),
        ?assertEqual({error, closed}, gen_tcp:recv(Client, 0, ?PATIENCE)),
        ok = gen_tcp:close(Client)
    end).

-spec vm_keeps_its_copy_when_the_socket_is_closed(config()) -> term().
vm_keeps_its_copy_when_the_socket_is_closed(Config) ->
    each_way(Config, fun() ->
        {Client, Server} = tcp_pair(),
        Socket = adopt(fd(Server)),
        ok = ?S:send(Socket, <<"one">>),
        close({Socket}),
        ok = gen_tcp:send(Server, <<"two">>),
        ?assertEqual({ok, <<"onetwo">>}, gen_tcp:recv(Client, 6, ?PATIENCE)),
        ok = gen_tcp:send(Client, <<"back">>),
        ?assertEqual({ok, <<"back">>}, gen_tcp:recv(Server, 4, ?PATIENCE)),
        ok = gen_tcp:close(Client),
        ok = gen_tcp:close(Server)
    end).

-spec listener_of_the_vm_accepts_on_both_sides(config()) -> term().
listener_of_the_vm_accepts_on_both_sides(Config) ->
    each_way(Config, fun() ->
        {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}} | ?TCP]),
        {ok, Port} = inet:port(Listener),
        Socket = adopt(fd(Listener)),
        Acceptor = start(fun() -> {ok, A} = ?S:accept(Socket), ?S:recv(A, 5) end),
        await_parked(Socket, num_acceptors, 1),
        {ok, First} = gen_tcp:connect({127, 0, 0, 1}, Port, ?TCP),
        ok = gen_tcp:send(First, <<"first">>),
        ?assertEqual({ok, <<"first">>}, result(Acceptor)),
        close({Socket}),
        {ok, Second} = gen_tcp:connect({127, 0, 0, 1}, Port, ?TCP),
        {ok, Accepted} = gen_tcp:accept(Listener, ?PATIENCE),
        ok = gen_tcp:send(Second, <<"second">>),
        ?assertEqual({ok, <<"second">>}, gen_tcp:recv(Accepted, 6, ?PATIENCE)),
        lists:foreach(fun gen_tcp:close/1, [First, Second, Accepted, Listener])
    end).

-spec datagrams_reach_whoever_reads(config()) -> term().
datagrams_reach_whoever_reads(Config) ->
    each_way(Config, fun() ->
        {ok, Udp} = gen_udp:open(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
        Socket = adopt(fd(Udp)),
        {ok, Address} = ?S:sockname(Socket),
        {ok, Sender} = ?S:open(inet, dgram),
        ok = ?S:sendto(Sender, <<"one">>, Address),
        ?assertMatch({ok, {#{family := inet}, <<"one">>}}, ?S:recvfrom(Socket, 0, ?PATIENCE)),
        ok = ?S:sendto(Sender, <<"two">>, Address),
        ?assertMatch({ok, {{127, 0, 0, 1}, _, <<"two">>}}, gen_udp:recv(Udp, 0, ?PATIENCE)),
        close({Socket, Sender}),
        ok = gen_udp:close(Udp)
    end).

-spec sockets_of_otps_own_module_are_adopted(config()) -> term().
sockets_of_otps_own_module_are_adopted(Config) ->
    each_way(Config, fun() ->
        Address = abstract(),
        {ok, Otp} = socket:open(local, dgram),
        ok = socket:bind(Otp, Address),
        {ok, FD} = socket:getopt(Otp, otp, fd),
        Socket = adopt(FD),
        ?assertMatch(#{domain := local, type := dgram}, ?S:info(Socket)),
        ok = socket:close(Otp), % may make the common socket blocking first
        {ok, Sender} = ?S:open(local, dgram),
        Reader = start(fun() -> ?S:recv(Socket) end),
        await_parked(Socket, num_readers, 1),
        ok = ?S:sendto(Sender, <<"x">>, Address),
        ?assertEqual({ok, <<"x">>}, result(Reader)),
        close({Socket, Sender})
    end).

-define(AF_NETLINK, 16).
-define(RTM_GETLINK, 18).
-define(RTM_NEWLINK, 16).
-define(NLM_F_REQUEST_DUMP, 16#301).

%% The kernel answers with its interfaces (rtnetlink(7)).
-spec family_without_a_name_is_adopted(config()) -> term().
family_without_a_name_is_adopted(Config) ->
    each_way(Config, fun() ->
        {ok, Otp} = socket:open(?AF_NETLINK, raw, 0),
        {ok, FD} = socket:getopt(Otp, otp, fd),
        Socket = adopt(FD),
        ok = socket:close(Otp),
        ?assertMatch(#{domain := ?AF_NETLINK, type := raw}, ?S:info(Socket)),
        ?assertEqual({error, eafnosupport}, ?S:sockname(Socket)),
        ?assertEqual({error, eafnosupport}, ?S:bind(Socket, any)),
        ok = ?S:send(Socket, <<32:32/native, ?RTM_GETLINK:16/native, ?NLM_F_REQUEST_DUMP:16/native, 7:32/native, 0:32, 0:128>>),
        {ok, <<_:32, Type:16/native, _/binary>> = Answer} = ?S:recv(Socket, 65536, ?PATIENCE),
        ?assertEqual(?RTM_NEWLINK, Type),
        ?assertNotEqual(nomatch, binary:match(Answer, <<"lo", 0>>)),
        close({Socket})
    end).

%% ---- what is not ----

-spec what_is_no_socket_of_the_vm_is_an_error(config()) -> term().
what_is_no_socket_of_the_vm_is_an_error(Config) ->
    {ok, File} = file:open("/dev/null", [read, raw]),
    Directory = "/proc/self/fd",
    {ok, Names} = file:list_dir(Directory),
    FDs = [list_to_integer(Name) || Name <- Names, file:read_link(filename:join(Directory, Name)) =:= {ok, "/dev/null"}],
    ?assertNotEqual([], FDs),
    each_way(Config, fun() ->
        [?assertEqual({FD, Expected}, {FD, ?S:open(FD, Opts#{holder => vm})})
         || FD <- [-1, 1 bsl 30 | FDs],
            {Opts, Expected} <- [{#{}, {error, epfnosupport}},
                                 {#{domain => inet}, {error, esocktnosupport}},
                                 {#{domain => inet, type => stream}, {error, eprotonosupport}}]],
        ?assertEqual({error, ebadf}, ?S:open(-1, #{holder => vm, domain => inet, type => stream, protocol => tcp}))
    end),
    ok = file:close(File).

-spec options_are_checked_as_those_of_any_descriptor(config()) -> term().
options_are_checked_as_those_of_any_descriptor(Config) ->
    each_way(Config, fun() ->
        {Client, Server} = tcp_pair(),
        FD = fd(Server),
        [?assertEqual({error, {invalid, {Key, foo}}}, outcome(fun() -> ?S:open(FD, #{holder => vm, Key => foo}) end))
         || Key <- [domain, type, protocol, holder]],
        ?assertEqual({error, badarg}, outcome(fun() -> ?S:open(1 bsl 31, #{holder => vm}) end)),
        %% the system's word counts, and a duplicate it is in any case
        {ok, Socket} = ?S:open(FD, #{holder => vm, domain => local, type => dgram, dup => false, use_registry => false}),
        ?assertMatch(#{domain := inet, type := stream, ctype := {fromfd, FD}}, ?S:info(Socket)),
        ?assertNot(lists:member(Socket, ?S:which_sockets())),
        close({Socket}),
        ok = gen_tcp:send(Server, <<"x">>),
        ?assertEqual({ok, <<"x">>}, gen_tcp:recv(Client, 1, ?PATIENCE)),
        [ok = gen_tcp:close(S) || S <- [Client, Server]]
    end).

-spec count(string()) -> non_neg_integer().
count(OsPid) ->
    Directory = "/proc/" ++ OsPid ++ "/fd/",
    {ok, Names} = file:list_dir(Directory),
    %% a loop of the helper has one more of these while it rests
    length([Name || Name <- Names, file:read_link(Directory ++ Name) =/= {ok, "anon_inode:[eventpoll]"}]).

-spec adopting_again_and_again_leaves_nothing(config()) -> term().
adopting_again_and_again_leaves_nothing(Config) ->
    each_way(Config, fun() ->
        {Client, Server} = tcp_pair(),
        FD = fd(Server),
        close({adopt(FD)}),
        Processes = [gosocket_test_fd:helper(), gosocket_test_fd:vm()],
        Before = [count(Process) || Process <- Processes],
        [begin
             close({adopt(FD)}),
             ?assertEqual({error, epfnosupport}, ?S:open(-1, #{holder => vm}))
         end || _ <- lists:seq(1, 50)],
        ?assertEqual([], [S || S <- ?S:which_sockets(self())]),
        wait_until(fun() -> [count(Process) || Process <- Processes] =:= Before end),
        [ok = gen_tcp:close(S) || S <- [Client, Server]]
    end).

-spec death_in_the_middle_leaves_nothing(config()) -> term().
death_in_the_middle_leaves_nothing(Config) ->
    each_way(Config, fun() ->
        {Client, Server} = tcp_pair(),
        FD = fd(Server),
        Inode = gosocket_test_fd:target(gosocket_test_fd:vm(), FD),
        Before = count(gosocket_test_fd:helper()),
        [begin
             {Pid, Monitor} = spawn_monitor(fun() -> {ok, _} = ?S:open(FD, #{holder => vm}), receive never -> ok end end),
             _ = [erlang:yield() || _ <- lists:seq(1, N * 10)],
             exit(Pid, kill),
             receive {'DOWN', Monitor, process, Pid, killed} -> ok end
         end || N <- lists:seq(1, 60)],
        gosocket_test_fd:await_holders(gosocket_test_fd:helper(), Inode, 0),
        ?assertEqual(1, gosocket_test_fd:holders(gosocket_test_fd:vm(), Inode)),
        wait_until(fun() -> count(gosocket_test_fd:helper()) =:= Before end),
        close({adopt(FD)}),
        [ok = gen_tcp:close(S) || S <- [Client, Server]]
    end).

%% ---- who is at the other end ----

%% The listener is the VM's own: not the process that the descriptor is for.
-spec descriptor_is_given_to_nobody_but_the_helper(config()) -> term().
descriptor_is_given_to_nobody_but_the_helper(_) ->
    {Client, Server} = tcp_pair(),
    {ok, Stranger} = socket:open(local, stream),
    Address = abstract(),
    ok = socket:bind(Stranger, Address),
    ok = socket:listen(Stranger),
    Helper = list_to_integer(gosocket_test_fd:helper()),
    [?assertEqual({error, eperm}, gosocket_rights:send(fd(Server), Address, Peer)) || Peer <- [Helper, undefined]],
    {ok, Connection} = socket:accept(Stranger, ?PATIENCE),
    ?assertEqual({error, closed}, socket:recv(Connection, 1, ?PATIENCE)),
    ?assertEqual({error, econnrefused}, gosocket_rights:send(fd(Server), abstract(), Helper)),
    [ok = socket:close(S) || S <- [Connection, Stranger]],
    [ok = gen_tcp:close(S) || S <- [Client, Server]].

%% Others see the name of an abstract address in /proc/net/unix, and may connect first.
-spec descriptor_of_a_stranger_is_not_taken(config()) -> term().
descriptor_of_a_stranger_is_not_taken(Config) ->
    gosocket_test_fd:in_way(behind_a_wrapper, Config, fun() ->
        {Client, Server} = tcp_pair(),
        with_stranger(fun() ->
            Socket = adopt(fd(Server)),
            ?assertEqual({ok, stream}, ?S:getopt(Socket, socket, type)),
            close({Socket})
        end),
        receive {stranger, Stranger} -> close({Stranger}) after 0 -> ct:fail(no_stranger) end,
        [ok = gen_tcp:close(S) || S <- [Client, Server]]
    end).

%% The stranger is the helper: that is not the VM either.
-spec stranger(map(), pid()) -> ok.
stranger(Address, Adopter) ->
    {ok, Socket} = ?S:open(local, stream),
    ok = ?S:connect(Socket, Address),
    {ok, Other} = ?S:open(inet, dgram),
    ok = gosocket_test_fd:pass(Socket, [gosocket_test_fd:fd(Other)]),
    ok = ?S:close(Other),
    Adopter ! {stranger, Socket},
    ok.

%% Where the VM sends a descriptor, the stranger has been before.
-spec with_stranger(fun(() -> Result)) -> Result.
with_stranger(Fun) ->
    {ok, {_, [{abstract_code, {_, Forms}}]}} = beam_lib:chunks(code:which(gosocket_rights), [abstract_code]),
    {ok, Tokens, _} = erl_scan:string("send(FD, Address, Peer) -> gosocket_adopt_SUITE:stranger(Address, self()), alone(FD, Address, Peer)."),
    {ok, Send} = erl_parse:parse_form(Tokens),
    Changed = lists:flatmap(fun({function, Line, send, 3, Clauses}) -> [Send, {function, Line, alone, 3, Clauses}];
                               ({attribute, _, spec, _}) -> [];
                               (Form) -> [Form]
                            end, Forms),
    {ok, gosocket_rights, Code} = compile:forms(Changed),
    {module, gosocket_rights} = code:load_binary(gosocket_rights, "with a stranger", Code),
    _ = erlang:trace_pattern({gosocket_rights, send, 3}, true, [call_count]), % which in_way looks at
    try
        Fun()
    after
        true = code:soft_purge(gosocket_rights),
        {module, gosocket_rights} = code:load_file(gosocket_rights),
        true = code:soft_purge(gosocket_rights)
    end.

-spec otp_without_sockets_is_enotsup(config()) -> term().
otp_without_sockets_is_enotsup(Config) ->
    Directory = filename:join(proplists:get_value(priv_dir, Config), "without"),
    ok = filelib:ensure_dir(filename:join(Directory, "x")),
    {ok, socket, Code} = compile:forms([{attribute, 1, module, socket}, {attribute, 1, export, [{open, 2}]},
                                        {function, 1, open, 2,
                                         [{clause, 1, [{var, 1, '_'}, {var, 1, '_'}], [],
                                           [{call, 1, {remote, 1, {atom, 1, erlang}, {atom, 1, error}}, [{atom, 1, notsup}]}]}]}]),
    ok = file:write_file(filename:join(Directory, "socket.beam"), Code),
    Node = fun(Options) ->
        Environment = [{"GOSOCKET_HELPER", gosocket_test_fd:script(behind_a_wrapper, Config)}],
        {Result, Printed} = gosocket_test_node:wait(
            gosocket_test_node:start(?MODULE, adopt_own_connection, [], Environment, Options)),
        ct:log("~ts", [Printed]),
        Result
    end,
    ?assertEqual({returned, {error, enotsup}}, Node(["-pa", Directory])),
    ?assertMatch({returned, {ok, _}}, Node([])).

-spec adopt_own_connection() -> {ok, socket()} | {error, term()}.
adopt_own_connection() ->
    {_, Server} = tcp_pair(),
    ?S:open(fd(Server), #{holder => vm}).

-spec helper_serves_no_process_but_the_one_that_started_it(config()) -> term().
helper_serves_no_process_but_the_one_that_started_it(_) ->
    {Client, Server} = tcp_pair(),
    Port = gosocket_test_bare:bare([]),
    Open = fun(Pid) -> gosocket_test_bare:ask(Port, {openfd, me, fd(Server), #{holder => Pid}}) end,
    ?assertEqual({error, eperm}, Open(list_to_integer(gosocket_test_fd:helper()))),
    ?assertEqual({error, esrch}, Open(16#7ffffff0)),
    [?assertEqual({raise, {invalid, {holder, Pid}}}, Open(Pid)) || Pid <- [0, -1, vm, 1 bsl 31]],
    ?assertMatch({error, Reason} when Reason =:= eperm; Reason =:= epfnosupport, Open(1)),
    CType = 2 + fd(Server),
    case Open(list_to_integer(os:getpid())) of
        {ok, {_, 2, 1, 6, Got}} -> ?assertEqual(CType, Got);
        {error, eperm} -> ct:pal("this system does not let the helper take descriptors of the VM")
    end,
    true = port_close(Port),
    [ok = gen_tcp:close(S) || S <- [Client, Server]].
