%% The sweep of hostile terms: every place in the arguments of every function of the API has every one of them once. The
%% call has to end, by an answer or by an exception; the processes that carry calls have to live, and everybody else's
%% sockets to work. Suites say whose sockets they are.
-module(gosocket_test_sweep).

-include("gosocket_test.hrl").

-export([calls/2, endings/1, calls_without_a_socket/0]).
-export([judged/2, sweep/4, sweep/1, fresh/2, feed/2, address/1]).
-export([opaque_terms/1, too_large_calls/1, huge/0]).

%% A handler of logger's, and what other nodes are asked for.
-export([log/2, memory_of_process/1]).

-import(gosocket_test_lib, [start/1, result/1, result/2, outcome/1, elapsed/1, wait_until/1, await_parked/3, abstract/0]).
-import(gosocket_test_net, [local_address/1, close/1]).

-type socket() :: gosocket_test_lib:socket().
-type kind() :: gosocket_test_net:kind().
-type pair() :: {socket(), socket()}.
-type hostile() :: gosocket_test_terms:hostile().
-type size() :: gosocket_test_terms:size().

%% Whose sockets: how a connected pair of them is made, and the nodes that take part in a call.
-type world() :: #{pair := fun((kind()) -> pair()), nodes := [node()]}.

-export_type([world/0]).

%% Milliseconds that a call may take, the making of its answer included, where nothing waits.
-define(TIME, 10000).

%% Bytes that the processes of a node may have more than before, and the helper, whose heap is larger than what is in it.
-define(NODE_MEMORY, (4 bsl 20)).
-define(HELPER_MEMORY, (192 bsl 20)).

%% Socket is connected, Peer its other end. Everything has a time-out, and data to receive.
-spec calls(socket(), Address :: map()) -> [{atom(), [term()]}].
calls(Socket, Address) ->
    Ref = make_ref(),
    Ctrl = [#{level => socket, type => timestamp, data => <<0:128>>}, #{level => 1, type => 1, data => <<>>}],
    [{bind, [Socket, Address]},
     {bind, [Socket, [Address, any], add]},
     {connect, [Socket]},
     {connect, [Socket, Address]},
     {connect, [Socket, Address, 0]},
     {connect, [Socket, Address, nowait]},
     {listen, [Socket]},
     {listen, [Socket, 5]},
     {accept, [Socket]},
     {accept, [Socket, 0]},
     {accept, [Socket, nowait]},
     {send, [Socket, ["x", <<"y">>]]},
     {send, [Socket, <<"x">>, [nosignal, confirm]]},
     {send, [Socket, <<"x">>, [nosignal], 0]},
     {sendto, [Socket, <<"x">>, Address]},
     {sendto, [Socket, <<"x">>, Address, [nosignal]]},
     {sendto, [Socket, <<"x">>, Address, [nosignal], 0]},
     {sendto, [Socket, <<"x">>, Address, [nosignal], nowait]},
     {sendmsg, [Socket, #{iov => [<<"x">>, ["y"]], ctrl => Ctrl, flags => [more]}]},
     {sendmsg, [Socket, #{iov => [<<"x">>], addr => Address}, [nosignal]]},
     {sendmsg, [Socket, #{iov => [<<"x">>], ctrl => []}, [nosignal], 0]},
     {recv, [Socket]},
     {recv, [Socket, 0]},
     {recv, [Socket, 0, [peek]]},
     {recv, [Socket, 1, [peek], 0]},
     {recv, [Socket, 1, [], nowait]},
     {recvfrom, [Socket]},
     {recvfrom, [Socket, 0]},
     {recvfrom, [Socket, 0, [peek, trunc]]},
     {recvfrom, [Socket, 0, [peek], 0]},
     {recvmsg, [Socket]},
     {recvmsg, [Socket, [peek]]},
     {recvmsg, [Socket, [peek], 0]},
     {recvmsg, [Socket, 0, 0, [peek], 0]},
     {recvmsg, [Socket, 0, 0, [], nowait]},
     {cancel, [Socket, {select_info, recv, Ref}]},
     {close_fd, [Socket, 17]},
     {shutdown, [Socket, no_such_direction]},
     {setopt, [Socket, otp, meta, [some, {thing, #{mine => <<"here">>}}]]},
     {setopt, [Socket, otp, rcvbuf, {3, 1000}]},
     {setopt, [Socket, otp, sndctrlbuf, 2000]},
     {setopt, [Socket, otp, debug, false]},
     {setopt, [Socket, otp, controlling_process, self()]},
     {setopt, [Socket, socket, reuseaddr, true]},
     {setopt, [Socket, socket, rcvbuf, 10000]},
     {setopt, [Socket, socket, linger, {true, 0}]},
     {setopt, [Socket, socket, linger, #{onoff => true, linger => 0}]},
     {setopt, [Socket, socket, bindtodevice, "no_such_device"]},
     {setopt, [Socket, socket, sndtimeo, #{sec => 1, usec => 0}]},
     {setopt, [Socket, socket, timestamping, [software, rx_software]]},
     {setopt, [Socket, ip, mtu_discover, want]},
     {setopt, [Socket, ip, add_membership, #{multiaddr => {239, 1, 2, 3}, interface => {127, 0, 0, 1}}]},
     {setopt, [Socket, ip, msfilter, #{multiaddr => {239, 1, 2, 3}, interface => {127, 0, 0, 1}, mode => include,
                                      slist => [{10, 1, 1, 1}, {10, 1, 1, 2}]}]},
     {setopt, [Socket, ip, options, <<1, 1, 1, 1>>]},
     {setopt, [Socket, tcp, md5sig, #{addr => #{family => inet, addr => {127, 0, 0, 1}, port => 1}, key => <<"key">>}]},
     {setopt, [Socket, tcp, congestion, <<"no_such_thing">>]},
     {setopt, [Socket, 1, 9, <<0:32>>]},
     {setopt, [Socket, socket, 9, <<0:32>>]},
     {getopt, [Socket, otp, rcvbuf]},
     {getopt, [Socket, ip, {msfilter, #{multiaddr => {239, 1, 2, 3}, interface => {127, 0, 0, 1}}}]},
     {getopt, [Socket, 1, {9, int}]},
     {getopt, [Socket, socket, {13, 8}]},
     {sockname, [Socket]},
     {peername, [Socket]},
     {info, [Socket]}].

%% Only what stands for a socket can be wrong with it.
-spec endings(socket()) -> [{atom(), [term()]}].
endings(Socket) ->
    [{close, [Socket]}].

-spec calls_without_a_socket() -> [{atom(), [term()]}].
calls_without_a_socket() ->
    [{open, [-1]},
     {open, [-1, #{dup => false, holder => helper, domain => inet, type => stream, protocol => tcp, debug => false,
                   use_registry => false}]},
     {open, [-1, #{holder => vm}]},
     {open, [inet, dgram]},
     {open, [inet, dgram, default]},
     {open, [inet, raw, {raw, 254}]},
     {open, [inet, dgram, udp, #{debug => false, use_registry => true}]},
     {open, [inet, dgram, udp, #{netns => "/no/such/file"}]},
     {info, []},
     {number_of, []},
     {which_sockets, []},
     {which_sockets, [fun erlang:is_map/1]},
     {use_registry, [true]},
     {i, []},
     {i, [[fd, domain]]},
     {debug, [false]},
     {socket_debug, [false]},
     {supports, []},
     {supports, [send_flags]},
     {supports, [options, udp]},
     {is_supported, [local]},
     {is_supported, [send_flags, more]},
     {is_supported, [options, udp, cork]}].

%% ---- the sweep ----

%% Runs what sweeps, a process for each term, beside those who must not notice.
-spec judged(world(), fun((hostile()) -> [ok])) -> ok.
judged(#{nodes := Nodes} = World, Sweep) ->
    Bystanders = [bystander(Pair) || Pair <- [fun gosocket_test_net:pair/1, maps:get(pair, World)]],
    [ok = erpc:call(Node, logger, add_handler, [?MODULE, ?MODULE, #{level => warning, config => self()}]) || Node <- Nodes],
    Before = carriers(Nodes),
    Memory = memory(Before),
    Calls = [begin
         Count = length(result(start(fun() -> Sweep(Hostile) end), 60000)),
         ?assertEqual({Name, Before}, {Name, carriers(Nodes)}),
         [?assertEqual({Name, ok}, {Name, still_works(Bystander)}) || Bystander <- Bystanders],
         Count
     end || {Name, _, _} = Hostile <- gosocket_test_terms:hostile()],
    ct:log("~b calls", [lists:sum(Calls)]),
    ct:log("memory of each node's processes and helper before ~p, after ~p", [Memory, memory(Before)]),
    wait_until(fun() ->
        lists:all(fun({{Processes, Helper}, {ProcessesBefore, HelperBefore}}) ->
                      Processes - ProcessesBefore < ?NODE_MEMORY andalso Helper - HelperBefore < ?HELPER_MEMORY
                  end, lists:zip(memory(Before), Memory))
    end),
    lists:foreach(fun stop/1, Bystanders),
    [ok = erpc:call(Node, logger, remove_handler, [?MODULE]) || Node <- Nodes],
    ?assertEqual(nothing, receive {logged, What} -> What after 0 -> nothing end).

%% Only callers hear of their mistakes: no process reports any.
-spec log(logger:log_event(), logger:handler_config()) -> ok.
log(#{level := Level, msg := Message}, #{config := Suite}) ->
    Suite ! {logged, {Level, io_lib:format("~P", [Message, 30])}},
    ok.

%% Every place that is due in calls with a socket, on sockets of this kind. Those of the table are only names: each call gets
%% some that live.
-spec sweep(world(), kind(), fun((size(), N :: pos_integer()) -> boolean()), hostile()) -> [ok].
sweep(World, Kind, IsDue, {_, Size, Make} = Hostile) ->
    Term = Make(),
    {Named, Peer} = fresh(World, Kind),
    Rows = calls(Named, address(Peer)) ++ endings(Named),
    Places = [{Name, Place} || {Name, Arguments} <- Rows, Place <- gosocket_test_terms:places(Arguments)],
    [begin
         {Socket, Other} = alive(World, Kind),
         feed(Other, Name),
         Result = call(Hostile, Name, [renamed(Argument, Named, Socket) || Argument <- Place(Term)]),
         flush(),
         Result
     end || {N, {Name, Place}} <- lists:zip(lists:seq(1, length(Places)), Places), IsDue(Size, N)].

%% The same in all other calls.
-spec sweep(hostile()) -> [ok].
sweep({_, _, Make} = Hostile) ->
    Term = Make(),
    [call(Hostile, Name, Place(Term))
     || {Name, Arguments} <- calls_without_a_socket(), Place <- gosocket_test_terms:places(Arguments)].

-spec renamed(term(), socket(), socket()) -> term().
renamed(Named, Named, Socket) -> Socket;
renamed(Argument, _, _) -> Argument.

%% A call of which nothing is asked but that it ends.
-spec call(term(), atom(), [term()]) -> ok.
call({Term, _, _}, Name, Arguments) ->
    {Elapsed, Outcome} = elapsed(fun() -> outcome(fun() -> apply(?S, Name, Arguments) end) end),
    put(changed, element(1, Outcome) =:= returned),
    case Outcome of
        {returned, {ok, {'$socket', _} = Opened}} -> ?S:close(Opened);
        {returned, _} -> ok;
        {error, _} -> ok
    end,
    Elapsed < ?TIME orelse ct:fail({slow, Term, Name, Elapsed}),
    ok.

%% Messages of selects that a hostile time-out cannot have asked for, but a good one could.
-spec flush() -> ok.
flush() ->
    receive
        {'$socket', _, _, _} -> flush()
    after 0 -> ok
    end.

%% ---- what is only kept, and what is not even carried ----

-spec opaque_terms(world()) -> ok.
opaque_terms(#{pair := Pair, nodes := Nodes}) ->
    {A, B} = Pair({inet, stream}),
    Before = carriers(Nodes),
    [begin
         Term = Make(),
         ok = ?S:setopt(A, otp, meta, Term),
         {ok, Kept} = ?S:getopt(A, otp, meta),
         ?assert(Kept =:= Term, Name)
     end || {Name, _, Make} <- gosocket_test_terms:hostile(), Name =/= binary_of_8_mib],
    ?assertEqual(Before, carriers(Nodes)),
    close({A, B}).

%% The largest frame is in the hello of the helper: 4 MiB.
-spec huge() -> binary().
huge() -> <<0:(8 bsl 23)>>.

-spec too_large_calls(world()) -> ok.
too_large_calls(#{pair := Pair, nodes := Nodes}) ->
    {A, B} = Pair({inet, stream}),
    Huge = huge(),
    Before = carriers(Nodes),
    ?assertEqual({error, emsgsize}, ?S:setopt(A, otp, meta, Huge)),
    ?assertEqual({error, emsgsize}, ?S:setopt(A, ip, options, [[Huge]])),
    ?assertEqual({error, emsgsize}, ?S:getopt(A, Huge, x)),
    ?assertEqual({error, emsgsize}, ?S:bind(A, #{family => local, path => Huge})),
    ?assertEqual({error, emsgsize}, ?S:shutdown(A, Huge)),
    ?assertEqual({error, emsgsize}, ?S:recv(A, 0, [Huge], 0)),
    ?assertEqual({error, {emsgsize, 1}}, ?S:sendto(A, <<"x">>, Huge)),
    ?assertEqual({error, emsgsize}, ?S:sendmsg(A, #{iov => [<<"x">>], ctrl => [Huge]})),
    ?assertEqual(Before, carriers(Nodes)),
    close({A, B}).

%% ---- sockets ----

-spec fresh(world(), kind()) -> pair().
fresh(#{pair := Make}, Kind) ->
    Pair = {_, Peer} = Make(Kind),
    put({pair, Kind}, Pair),
    ok = ?S:setopt(Peer, socket, linger, {true, 0}),
    spawn_link(fun() -> drained(Peer) end),
    Pair.

%% What is sent gets somewhere.
-spec drained(socket()) -> ok.
drained(Socket) ->
    case ?S:recv(Socket) of
        {ok, _} -> drained(Socket);
        {error, econnrefused} -> drained(Socket);
        {error, _} -> ok
    end.

%% That of the other end; of one without a name some other.
-spec address(socket()) -> map().
address(Peer) ->
    case local_address(Peer) of
        #{family := local, path := []} -> abstract();
        Address -> Address
    end.

%% What a call has closed, or made the affair of another process, is no use to the next one. One that raised has not.
-spec alive(world(), kind()) -> pair().
alive(World, Kind) ->
    {Socket, Peer} = Pair = get({pair, Kind}),
    case get(changed) =:= false orelse ?S:peername(Socket) of
        true ->
            Pair;
        {ok, _} ->
            Pair;
        {error, _} ->
            _ = [?S:close(S) || S <- [Socket, Peer]],
            fresh(World, Kind)
    end.

%% Something to receive, so that nothing waits for it.
-spec feed(socket(), atom()) -> ok.
feed(Peer, Name) when Name =:= recv; Name =:= recvfrom; Name =:= recvmsg ->
    _ = ?S:send(Peer, <<"x">>, 0),
    ok;
feed(_, _) ->
    ok.

%% ---- those beside ----

-type bystander() :: {socket(), socket(), gosocket_test_lib:call(), socket(), socket()}.

%% A pair that talks, and a receive that waits all the time.
-spec bystander(fun((kind()) -> pair())) -> bystander().
bystander(Pair) ->
    {A, B} = Pair({inet, stream}),
    {C, D} = Pair({local, dgram}),
    Waiting = start(fun() -> ?S:recv(D) end),
    await_parked(D, num_readers, 1),
    {A, B, Waiting, C, D}.

-spec still_works(bystander()) -> ok.
still_works({A, B, {Waiting, _}, _, D}) ->
    ok = ?S:send(A, <<"ping">>, ?PATIENCE),
    {ok, <<"ping">>} = ?S:recv(B, 4, ?PATIENCE),
    true = is_process_alive(Waiting),
    #{num_readers := 1} = ?S:info(D),
    ok.

-spec stop(bystander()) -> ok.
stop({A, B, Waiting, C, D}) ->
    ok = ?S:send(C, <<"end">>),
    ?assertEqual({ok, <<"end">>}, result(Waiting)),
    close({A, B, C, D}).

%% ---- those who carry calls ----

-type carriers() :: {node(), Helper :: pos_integer(), Lane :: pid(), [{{remote | proxy, node()}, pid()}]}.

-spec carriers([node()]) -> [carriers()].
carriers(Nodes) ->
    [{Node, erpc:call(Node, gosocket_test_lib, helper_os_pid, []), erpc:call(Node, gosocket_test_lib, lane, []),
      [Entry || {{_, Other}, _} = Entry <- erpc:call(Node, ets, tab2list, [gosocket_nodes]), lists:member(Other, Nodes)]}
     || Node <- Nodes].

%% Bytes, of each node.
-spec memory([carriers()]) -> [{Processes :: non_neg_integer(), Helper :: non_neg_integer()}].
memory(Carriers) ->
    [{lists:sum([erpc:call(Node, ?MODULE, memory_of_process, [Pid]) || Pid <- [Lane | [Pid || {_, Pid} <- Between]]]),
      memory_of_helper(OsPid)} || {Node, OsPid, Lane, Between} <- Carriers].

-spec memory_of_process(pid()) -> non_neg_integer().
memory_of_process(Pid) ->
    true = erlang:garbage_collect(Pid),
    {memory, Memory} = erlang:process_info(Pid, memory),
    {binary, Binaries} = erlang:process_info(Pid, binary),
    Memory + lists:sum([Size || {_, Size, _} <- Binaries]).

-spec memory_of_helper(pos_integer()) -> non_neg_integer().
memory_of_helper(OsPid) ->
    {ok, Status} = file:read_file("/proc/" ++ integer_to_list(OsPid) ++ "/status"),
    {match, [KiB]} = re:run(Status, "VmRSS:\\s+(\\d+) kB", [{capture, all_but_first, binary}]),
    binary_to_integer(KiB) * 1024.
