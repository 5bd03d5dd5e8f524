%% Whatever a well-formed call carries, only its caller hears of it: every place in the arguments of every function of the
%% API has every hostile term once, on sockets of every sort. The call has to end, by an answer or by an exception, lane and
%% helper have to live, and everybody else's sockets to work.
-module(gosocket_sweep_SUITE).

-export([
    every_function_is_in_the_table/1,
    every_example_is_right/1,
    hostile_terms_on_udp_sockets/1,
    hostile_terms_on_tcp_sockets/1,
    hostile_terms_on_local_sockets/1,
    hostile_terms_in_calls_without_a_socket/1,
    opaque_terms_come_back_as_they_went/1,
    what_no_frame_holds_is_the_callers_error/1
]).

%% A handler of logger's.
-export([log/2]).

-define(OURS, []).
-include("gosocket_test.hrl").

-type size() :: small | large | few.

%% Milliseconds that a call may take, the making of its answer included, where nothing waits.
-define(TIME, 10000).

%% Bytes that the lane may have more than before, and the helper, whose heap is larger than what is in it.
-define(LANE_MEMORY, (4 bsl 20)).
-define(HELPER_MEMORY, (192 bsl 20)).

%% ---- the table ----

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
     {listen, [Socket]},
     {listen, [Socket, 5]},
     {accept, [Socket]},
     {accept, [Socket, 0]},
     {send, [Socket, ["x", <<"y">>]]},
     {send, [Socket, <<"x">>, [nosignal, confirm]]},
     {send, [Socket, <<"x">>, [nosignal], 0]},
     {sendto, [Socket, <<"x">>, Address]},
     {sendto, [Socket, <<"x">>, Address, [nosignal]]},
     {sendto, [Socket, <<"x">>, Address, [nosignal], 0]},
     {sendmsg, [Socket, #{iov => [<<"x">>, ["y"]], ctrl => Ctrl, flags => [more]}]},
     {sendmsg, [Socket, #{iov => [<<"x">>], addr => Address}, [nosignal]]},
     {sendmsg, [Socket, #{iov => [<<"x">>], ctrl => []}, [nosignal], 0]},
     {recv, [Socket]},
     {recv, [Socket, 0]},
     {recv, [Socket, 0, [peek]]},
     {recv, [Socket, 1, [peek], 0]},
     {recvfrom, [Socket]},
     {recvfrom, [Socket, 0]},
     {recvfrom, [Socket, 0, [peek, trunc]]},
     {recvfrom, [Socket, 0, [peek], 0]},
     {recvmsg, [Socket]},
     {recvmsg, [Socket, [peek]]},
     {recvmsg, [Socket, [peek], 0]},
     {recvmsg, [Socket, 0, 0, [peek], 0]},
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

-spec every_function_is_in_the_table(config()) -> term().
every_function_is_in_the_table(_) ->
    Exported = [Function || {Name, _} = Function <- ?S:module_info(exports), Name =/= module_info],
    Rows = calls(foo, #{}) ++ endings(foo) ++ calls_without_a_socket(),
    ?assertEqual([], Exported -- [{Name, length(Arguments)} || {Name, Arguments} <- Rows]).

%% A row that raises would hide what stands behind its first mistake.
-spec every_example_is_right(config()) -> term().
every_example_is_right(_) ->
    [begin
         {Socket, Peer} = fresh(Kind),
         [begin
              feed(Peer, Name),
              ?assertMatch({{Kind, Name, Arguments}, {returned, _}}, {{Kind, Name, Arguments}, outcome(fun() -> apply(?S, Name, Arguments) end)})
          end || {Name, Arguments} <- calls(Socket, address(Peer)), {Name, Arguments} =/= {shutdown, [Socket, no_such_direction]}],
         close({Socket, Peer})
     end || Kind <- sorts()].

-spec sorts() -> [{inet | local, stream | dgram}].
sorts() ->
    [{inet, dgram}, {inet, stream}, {local, stream}].

%% ---- the sweep ----

-spec hostile_terms_on_udp_sockets(config()) -> term().
hostile_terms_on_udp_sockets(_) -> sweep({inet, dgram}, 0).

-spec hostile_terms_on_tcp_sockets(config()) -> term().
hostile_terms_on_tcp_sockets(_) -> sweep({inet, stream}, 1).

-spec hostile_terms_on_local_sockets(config()) -> term().
hostile_terms_on_local_sockets(_) -> sweep({local, stream}, 2).

-spec sweep({inet | local, stream | dgram}, Turn :: 0..2) -> ok.
sweep(Kind, Turn) ->
    judged(fun(Hostile) -> sweeper(Kind, Turn, Hostile) end).

-spec hostile_terms_in_calls_without_a_socket(config()) -> term().
hostile_terms_in_calls_without_a_socket(_) ->
    judged(fun({_, _, Make} = Hostile) ->
               Term = Make(),
               [call(Hostile, Name, Place(Term))
                || {Name, Arguments} <- calls_without_a_socket(), Place <- gosocket_test_terms:places(Arguments)]
           end).

%% Runs what sweeps, a process for each term, beside those who must not notice.
-spec judged(fun(({atom(), size(), fun(() -> term())}) -> [ok])) -> ok.
judged(Sweep) ->
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => warning, config => self()}),
    Bystander = bystander(),
    Before = {lane(), helper_os_pid()},
    {OfLane, OfHelper} = memory(Before),
    [begin
         Calls = length(result(start(fun() -> Sweep(Hostile) end), 60000)),
         ?assertEqual({Name, Before}, {Name, {lane(), helper_os_pid()}}),
         ?assertEqual({Name, ok}, {Name, still_works(Bystander)}),
         put(calls, Calls + case get(calls) of undefined -> 0; N -> N end)
     end || {Name, _, _} = Hostile <- gosocket_test_terms:hostile()],
    ct:log("~b calls", [get(calls)]),
    ct:log("memory of lane and helper before ~p, after ~p", [{OfLane, OfHelper}, memory(Before)]),
    wait_until(fun() ->
        {Lane, Helper} = memory(Before),
        Lane - OfLane < ?LANE_MEMORY andalso Helper - OfHelper < ?HELPER_MEMORY
    end),
    stop(Bystander),
    ok = logger:remove_handler(?MODULE),
    ?assertEqual(nothing, receive {logged, What} -> What after 0 -> nothing end).

%% Only callers hear of their mistakes: no process reports any.
-spec log(logger:log_event(), logger:handler_config()) -> ok.
log(#{level := Level, msg := Message}, #{config := Suite}) ->
    Suite ! {logged, {Level, io_lib:format("~P", [Message, 30])}},
    ok.

-spec sweeper({inet | local, stream | dgram}, 0..2, {atom(), size(), fun(() -> term())}) -> [ok].
sweeper(Kind, Turn, {_, Size, Make} = Hostile) ->
    Term = Make(),
    {Socket, Peer} = fresh(Kind),
    Rows = calls(Socket, address(Peer)) ++ endings(Socket),
    Places = [{Name, Place} || {Name, Arguments} <- Rows, Place <- gosocket_test_terms:places(Arguments)],
    %% the sockets of the rows above are only names here: each call gets those that live
    sweep_places(Places, {Socket, Socket}, Kind, Turn, Hostile, Size, Term).

-spec sweep_places(list(), {socket(), socket()}, term(), 0..2, term(), size(), term()) -> [ok].
sweep_places(Places, {Named, _}, Kind, Turn, Hostile, Size, Term) ->
    [begin
         {Socket, Peer} = alive(Kind),
         feed(Peer, Name),
         Result = call(Hostile, Name, [renamed(Argument, Named, Socket) || Argument <- Place(Term)]),
         flush(),
         Result
     end || {N, {Name, Place}} <- lists:zip(lists:seq(1, length(Places)), Places), is_due(Size, N, Turn)].

%% Small terms come to every place on every sort of socket. Of large ones each place has each once: which sort of
%% socket has it goes round; and of some one place in three.
-spec is_due(size(), pos_integer(), 0..2) -> boolean().
is_due(small, _, _) -> true;
is_due(large, N, Turn) -> N rem 3 =:= Turn;
is_due(few, N, Turn) -> N rem 9 =:= Turn.

-spec renamed(term(), socket(), socket()) -> term().
renamed(Named, Named, Socket) -> Socket;
renamed(Argument, _, _) -> Argument.

%% A call of which nothing is asked but that it ends.
-spec call(term(), atom(), [term()]) -> ok.
call({Term, _, _}, Name, Arguments) ->
    {Elapsed, Outcome} = elapsed(fun() -> outcome(fun() -> apply(?S, Name, Arguments) end) end),
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

%% ---- sockets ----

-spec fresh(term()) -> {socket(), socket()}.
fresh(Kind) ->
    Pair = {_, Peer} = pair(Kind),
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

%% What a call has closed, or made the affair of another process, is no use to the next one.
-spec alive(term()) -> {socket(), socket()}.
alive(Kind) ->
    {Socket, Peer} = Pair = get({pair, Kind}),
    case ?S:peername(Socket) of
        {ok, _} ->
            Pair;
        {error, _} ->
            _ = [?S:close(S) || S <- [Socket, Peer]],
            fresh(Kind)
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
-spec bystander() -> bystander().
bystander() ->
    {A, B} = pair({inet, stream}),
    {C, D} = pair({local, dgram}),
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

-spec memory({pid(), pos_integer()}) -> {Lane :: non_neg_integer(), Helper :: non_neg_integer()}.
memory({Lane, OsPid}) ->
    true = erlang:garbage_collect(Lane),
    {memory, OfLane} = erlang:process_info(Lane, memory),
    {binary, Binaries} = erlang:process_info(Lane, binary),
    {ok, Status} = file:read_file("/proc/" ++ integer_to_list(OsPid) ++ "/status"),
    {match, [KiB]} = re:run(Status, "VmRSS:\\s+(\\d+) kB", [{capture, all_but_first, binary}]),
    {OfLane + lists:sum([Size || {_, Size, _} <- Binaries]), binary_to_integer(KiB) * 1024}.

%% ---- what is only kept ----

-spec opaque_terms_come_back_as_they_went(config()) -> term().
opaque_terms_come_back_as_they_went(_) ->
    {A, B} = pair({inet, stream}),
    [begin
         Term = Make(),
         ok = ?S:setopt(A, otp, meta, Term),
         {ok, Kept} = ?S:getopt(A, otp, meta),
         ?assert(Kept =:= Term, Name)
     end || {Name, _, Make} <- gosocket_test_terms:hostile(), Name =/= binary_of_8_mib],
    close({A, B}).

%% The largest frame is in the hello of the helper: 4 MiB.
-spec what_no_frame_holds_is_the_callers_error(config()) -> term().
what_no_frame_holds_is_the_callers_error(_) ->
    {A, B} = pair({inet, stream}),
    Huge = <<0:(8 bsl 23)>>,
    Before = {lane(), helper_os_pid()},
    ?assertEqual({error, emsgsize}, ?S:setopt(A, otp, meta, Huge)),
    ?assertEqual({error, emsgsize}, ?S:setopt(A, ip, options, [[Huge]])),
    ?assertEqual({error, emsgsize}, ?S:getopt(A, Huge, x)),
    ?assertEqual({error, emsgsize}, ?S:bind(A, #{family => local, path => Huge})),
    ?assertEqual({error, emsgsize}, ?S:shutdown(A, Huge)),
    ?assertEqual({error, emsgsize}, ?S:recv(A, 0, [Huge], 0)),
    ?assertEqual({error, {emsgsize, 1}}, ?S:sendto(A, <<"x">>, Huge)),
    ?assertEqual({error, emsgsize}, ?S:sendmsg(A, #{iov => [<<"x">>], ctrl => [Huge]})),
    ?assertEqual({error, emsgsize}, ?S:open(inet, dgram, Huge)),
    ?assertEqual({error, emsgsize}, ?S:open(inet, dgram, udp, #{netns => Huge})),
    ?assertEqual([], ?S:supports(Huge)),
    ?assertNot(?S:is_supported(Huge)),
    ?assertEqual(Before, {lane(), helper_os_pid()}),
    close({A, B}).
