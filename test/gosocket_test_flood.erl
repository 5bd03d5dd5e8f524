%% Floods: more of something than a helper may hold, by one way to it. What they have in common is that the helper lives, that nobody
%% else notices, and that there is room again as soon as something is given back. Each gives a figure, a line of the log.
-module(gosocket_test_flood).

-include("gosocket_test.hrl").

-export([alone/2, flood/2, crowd/3, calls/1, say/1]).

-type socket() :: gosocket_test_lib:socket().

%% What a flood has come to: how many got what they wanted, what the others were told; how to give back what it holds, and whether
%% there is room again then.
-type flooded() :: #{through := non_neg_integer(), refused := [term()], release := fun(() -> term()), again := fun(() -> boolean())}.
-type figure() :: #{way := string(), through := non_neg_integer(), refused := #{term() => pos_integer()}, ms := non_neg_integer(),
                    recovered_ms := non_neg_integer(), kib := {Before :: pos_integer(), Peak :: pos_integer(), After :: pos_integer()}}.

-export_type([flooded/0, figure/0]).

%% Resident memory of a helper that has had its floods, in KiB above what it began with.
-define(GROWN, 8192).

%% In a node of its own, with this setting. Behind all floods the helper gives its memory back.
-spec alone({atom(), term()}, fun(() -> [figure(), ...])) -> [figure(), ...].
alone({Variable, Value}, Floods) ->
    {Figures, Settled} = gosocket_test_node:alone(fun() ->
        ok = application:set_env(gosocket, Variable, Value),
        [#{kib := {Before, _, _}} | _] = Figures = Floods(),
        {Elapsed, ok} = gosocket_test_lib:elapsed(fun() ->
            gosocket_test_lib:wait_until(fun() -> kib(gosocket_test_fd:helper(), "VmRSS") =< Before + ?GROWN end)
        end),
        {Figures, Elapsed}
    end),
    Named = say([Figure#{way := lists:flatten(io_lib:format("~p ~p, ~s", [Variable, Value, Way]))} || #{way := Way} = Figure <- Figures]),
    io:format(user, "~nfigure: ~p ~p: memory below ~b MiB more than before after ~b ms~n", [Variable, Value, ?GROWN div 1024, Settled]),
    Named.

-spec flood(string(), fun(() -> flooded())) -> figure().
flood(Way, Flood) ->
    {A, B} = Neighbours = gosocket_test_net:pair({inet, stream}),
    Helper = gosocket_test_fd:helper(),
    Before = kib(Helper, "VmRSS"),
    %% the peak begins anew, where that is allowed
    _ = file:write_file("/proc/" ++ Helper ++ "/clear_refs", "5"),
    {Elapsed, #{through := Through, refused := Refused, release := Release, again := Again}} = gosocket_test_lib:elapsed(Flood),
    ok = ?S:send(A, <<"still here">>),
    ?assertEqual({ok, <<"still here">>}, ?S:recv(B, 10, ?PATIENCE)),
    {Recovered, ok} = gosocket_test_lib:elapsed(fun() ->
        _ = Release(),
        gosocket_test_lib:wait_until(Again)
    end),
    ?assertEqual(Helper, gosocket_test_fd:helper()),
    Peak = kib(Helper, "VmHWM"),
    gosocket_test_net:close(Neighbours),
    #{way => Way, through => Through,
      refused => lists:foldl(fun(Answer, Counts) -> maps:update_with(Answer, fun(N) -> N + 1 end, 1, Counts) end, #{}, Refused),
      ms => Elapsed, recovered_ms => Recovered, kib => {Before, Peak, kib(Helper, "VmRSS")}}.

-spec kib(OsPid :: string(), string()) -> pos_integer().
kib(OsPid, Key) ->
    {ok, Status} = file:read_file("/proc/" ++ OsPid ++ "/status"),
    {match, [KiB]} = re:run(Status, Key ++ ":\\s*([0-9]+) kB", [{capture, all_but_first, list}]),
    list_to_integer(KiB).

%% .ci/suites has these lines in the log of all checks.
-spec say([figure()]) -> [figure()].
say(Figures) ->
    [begin
         Told = [io_lib:format(", ~b were told ~0p", [Count, Answer]) || {Answer, Count} <- maps:to_list(Refused)],
         io:format(user, "~nfigure: ~s: ~b of ~b~s; ~b ms, room again after ~b ms; ~.1f, at most ~.1f, then ~.1f MiB~n",
                   [Way, Through, Through + lists:sum(maps:values(Refused)), Told, Ms, Recovered, Before / 1024, Peak / 1024, After / 1024])
     end || #{way := Way, through := Through, refused := Refused, ms := Ms, recovered_ms := Recovered, kib := {Before, Peak, After}} <- Figures],
    Figures.

%% ---- Calls that wait, or get a select

%% So many processes, each of which makes the call once and stays. Through are those that wait, or whose answer is a select.
-spec crowd(pos_integer(), fun((pos_integer()) -> term()), fun(() -> term())) -> flooded().
crowd(Count, Call, Close) ->
    Here = self(),
    Tag = make_ref(),
    Before = held(),
    Pids = [spawn(fun() ->
                      Here ! {Tag, Call(Which)},
                      receive stop -> ok end
                  end) || Which <- lists:seq(1, Count)],
    {Through, Refused} = gather(Tag, Count, Before, []),
    #{through => Through, refused => Refused,
      release => fun() ->
          [exit(Pid, kill) || Pid <- Pids],
          Close()
      end,
      again => fun() -> held() =:= Before end}.

-spec held() -> non_neg_integer().
held() ->
    #{waiting := Waiting, selects := Selects} = gosocket_metrics:statistics(default),
    Waiting + Selects.

-spec gather(reference(), pos_integer(), non_neg_integer(), [term()]) -> {non_neg_integer(), [term()]}.
gather(Tag, Count, Before, Refused) ->
    receive
        {Tag, {select, _}} -> gather(Tag, Count, Before, Refused);
        {Tag, Answer} -> gather(Tag, Count, Before, [Answer | Refused])
    after 0 ->
        case held() - Before of
            Held when Held + length(Refused) =:= Count -> {Held, Refused};
            _ -> receive after 1 -> gather(Tag, Count, Before, Refused) end
        end
    end.

%% Each kind of call that can wait, on sockets that make it wait. A connect has a socket of its own.
-spec calls(pos_integer()) ->
          [{Name :: string(), Call :: fun((timeout() | nowait, pos_integer()) -> term()), Refused :: fun((atom()) -> term()), [socket()]}].
calls(Count) ->
    Datagrams = gosocket_test_net:bound({inet, dgram}),
    Listener = gosocket_test_net:listener({inet, stream}),
    {Full, Address, Queue} = gosocket_test_net:full_listener(),
    Clients = [gosocket_test_net:unconnected({inet, stream}) || _ <- lists:seq(1, Count)],
    Connecting = list_to_tuple(Clients),
    {Stream, Peer} = gosocket_test_net:small_pair({local, stream}),
    {Messages, Reader} = gosocket_test_net:pair({local, dgram}),
    [_ = gosocket_test_net:fill(Socket) || Socket <- [Stream, Messages]],
    To = gosocket_test_net:local_address(Reader),
    Plain = fun(Reason) -> {error, Reason} end,
    Sent = fun(Reason) -> {error, {Reason, 1}} end,
    [{"recv", fun(Timeout, _) -> ?S:recv(Datagrams, 0, Timeout) end, Plain, []},
     {"recvfrom", fun(Timeout, _) -> ?S:recvfrom(Datagrams, 0, Timeout) end, Plain, []},
     {"recvmsg", fun(Timeout, _) -> ?S:recvmsg(Datagrams, Timeout) end, Plain, [Datagrams]},
     {"accept", fun(Timeout, _) -> ?S:accept(Listener, Timeout) end, Plain, [Listener]},
     {"connect", fun(Timeout, Which) -> ?S:connect(element(Which, Connecting), Address, Timeout) end, Plain, [Full | Queue ++ Clients]},
     {"send", fun(Timeout, _) -> ?S:send(Stream, <<"x">>, Timeout) end, Sent, []},
     {"sendmsg", fun(Timeout, _) -> ?S:sendmsg(Stream, #{iov => [<<"x">>]}, Timeout) end, Plain, [Stream, Peer]},
     {"sendto", fun(Timeout, _) -> ?S:sendto(Messages, <<"x">>, To, Timeout) end, Sent, [Messages, Reader]}].
