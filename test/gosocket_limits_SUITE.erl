%% Floods: more of everything than a helper may hold. Whoever is too many is told so, nobody else notices, the helper lives, and goes
%% on as soon as there is room again. Each tells its figure in the log.
-module(gosocket_limits_SUITE).

-export([
    more_sockets_than_allowed_are_emfile/1,
    more_waiting_calls_than_allowed_are_enobufs/1,
    more_selects_than_allowed_are_enobufs/1,
    more_payload_than_allowed_stays_with_its_senders/1,
    receives_that_gather_more_than_allowed_get_what_they_have/1,
    more_descriptors_than_allowed_are_cut/1,
    more_memory_than_allowed_is_enomem/1,
    descriptors_are_as_many_as_the_hard_limit_allows/1
]).

-define(OURS, []).
-define(BESIDE, [
    more_sockets_than_allowed_are_emfile,
    more_waiting_calls_than_allowed_are_enobufs,
    more_selects_than_allowed_are_enobufs,
    more_payload_than_allowed_stays_with_its_senders,
    receives_that_gather_more_than_allowed_get_what_they_have,
    more_descriptors_than_allowed_are_cut,
    more_memory_than_allowed_is_enomem
]).
-define(ONE_LANE, [
    more_descriptors_than_allowed_are_cut,
    more_sockets_than_allowed_are_emfile
]).
-include("gosocket_test.hrl").

-define(MIB, 1048576).

%% In a node of its own, with these settings; Flood gives a figure. The helper is the same afterwards, and a pair that was there before
%% has noticed nothing.
-spec flood([{atom(), term()}], fun(() -> {iodata(), [term()]})) -> ok.
flood(Settings, Flood) ->
    gosocket_test_node:alone(fun() ->
        [ok = application:set_env(gosocket, Variable, Value) || {Variable, Value} <- Settings],
        {A, B} = pair({inet, stream}),
        Helper = helper_os_pid(),
        {Format, Arguments} = Flood(),
        ok = ?S:send(A, <<"still here">>),
        ?assertEqual({ok, <<"still here">>}, ?S:recv(B, 10, ?PATIENCE)),
        ?assertEqual(Helper, helper_os_pid()),
        io:format("~p: " ++ Format ++ ", at most ~b KiB~n", [Settings | Arguments] ++ [peak_kib(Helper)]),
        close({A, B})
    end).

-spec peak_kib(pos_integer()) -> pos_integer().
peak_kib(OsPid) ->
    {ok, Status} = file:read_file("/proc/" ++ integer_to_list(OsPid) ++ "/status"),
    {match, [KiB]} = re:run(Status, "VmHWM:\\s*([0-9]+) kB", [{capture, all_but_first, list}]),
    list_to_integer(KiB).

-spec count(term(), [term()]) -> non_neg_integer().
count(Result, Results) ->
    length([Same || Same <- Results, Same =:= Result]).

-spec more_sockets_than_allowed_are_emfile(config()) -> term().
more_sockets_than_allowed_are_emfile(_) ->
    flood([{socket_limit, 1000}], fun() ->
        Openers = [actor() || _ <- lists:seq(1, 20)],
        Opening = [cast(Opener, fun() -> [?S:open(inet, dgram) || _ <- lists:seq(1, 100)] end) || Opener <- Openers],
        Results = lists:append([answer(Call) || Call <- Opening]),
        Sockets = [Socket || {ok, Socket} <- Results],
        ?assertEqual({998, 1002}, {length(Sockets), count({error, emfile}, Results)}),
        {ok, OfVM} = gen_udp:open(0, [{ip, {127, 0, 0, 1}}]),
        {ok, FD} = inet:getfd(OfVM),
        ?assertEqual([{error, emfile}, {error, emfile}], [?S:open(FD, #{holder => vm}), ?S:open(gosocket_test_fd:fd(hd(Sockets)))]),
        ok = gen_udp:close(OfVM),
        close([hd(Sockets)]),
        {ok, Again} = ?S:open(inet, stream),
        ?assertEqual({error, emfile}, ?S:open(inet, stream)),
        close([Again]),
        [kill(Opener) || Opener <- Openers],
        wait_until(fun() -> ?S:number_of() =:= 2 end),
        {"~b of 2000 opened", [length(Sockets)]}
    end).

-spec more_waiting_calls_than_allowed_are_enobufs(config()) -> term().
more_waiting_calls_than_allowed_are_enobufs(_) ->
    flood([{waiting_limit, 5000}], fun() ->
        Sockets = [bound({inet, dgram}) || _ <- lists:seq(1, 100)],
        Calls = [start(fun() -> ?S:recv(Socket, 0) end) || Socket <- Sockets, _ <- lists:seq(1, 80)],
        Refused = [refused(Calls) || _ <- lists:seq(1, 3000)],
        ?assertEqual([{error, enobufs}], lists:usort(Refused)),
        ?assertEqual({error, enobufs}, ?S:recv(hd(Sockets), 0)),
        ?assertEqual({error, timeout}, ?S:recv(hd(Sockets), 0, 0)),
        close(tl(Sockets)),
        ?assertEqual({error, timeout}, ?S:recv(hd(Sockets), 0, 10)),
        close([hd(Sockets)]),
        Ended = [Reason || {Pid, Monitor} <- Calls, Reason <- [ended(Pid, Monitor)], Reason =/= none],
        ?assertEqual([{result, {error, closed}}], lists:usort(Ended)),
        {"8000 calls, ~b refused, ~b ended when their sockets were closed", [length(Refused), length(Ended)]}
    end).

%% The result of any of these calls.
-spec refused([{pid(), reference()}]) -> term().
refused(_Calls) ->
    receive
        {'DOWN', _, process, _, {result, Result}} -> Result
    after ?PATIENCE -> none
    end.

-spec ended(pid(), reference()) -> term().
ended(Pid, Monitor) ->
    receive
        {'DOWN', Monitor, process, Pid, Reason} -> Reason
    after case is_process_alive(Pid) of true -> ?PATIENCE; false -> 0 end -> none
    end.

-spec more_selects_than_allowed_are_enobufs(config()) -> term().
more_selects_than_allowed_are_enobufs(_) ->
    flood([{select_limit, 1000}], fun() ->
        Sockets = [bound({inet, dgram}) || _ <- lists:seq(1, 1500)],
        Results = [{Socket, ?S:recvfrom(Socket, 0, nowait)} || Socket <- Sockets],
        Armed = [{Socket, Select} || {Socket, {select, Select}} <- Results],
        ?assertEqual({1000, 500}, {length(Armed), count({error, enobufs}, [Result || {_, Result} <- Results])}),
        {Cancelled, Select} = hd(Armed),
        ok = ?S:cancel(Cancelled, Select),
        {select, _} = ?S:recvfrom(lists:last(Sockets), 0, nowait),
        ?assertEqual({error, enobufs}, ?S:recvfrom(Cancelled, 0, nowait)),
        close(Sockets),
        {"~b of 1500 armed", [length(Armed)]}
    end).

-spec more_payload_than_allowed_stays_with_its_senders(config()) -> term().
more_payload_than_allowed_stays_with_its_senders(_) ->
    flood([{parked_limit, ?MIB}], fun() ->
        Data = random(4 * ?MIB),
        Pairs = [pair({local, stream}) || _ <- lists:seq(1, 50)],
        Senders = [start(fun() -> ?S:send(A, Data) end) || {A, _} <- Pairs],
        Readers = [start(fun() -> {ok, Got} = ?S:recv(B, byte_size(Data)), Got =:= Data end) || {_, B} <- Pairs],
        ?assertEqual([ok], lists:usort([result(Sender, 4 * ?PATIENCE) || Sender <- Senders])),
        ?assertEqual([true], lists:usort([result(Reader, 4 * ?PATIENCE) || Reader <- Readers])),
        [close(Pair) || Pair <- Pairs],
        {"~b MiB from ~b senders at a time", [50 * 4, 50]}
    end).

-spec receives_that_gather_more_than_allowed_get_what_they_have(config()) -> term().
receives_that_gather_more_than_allowed_get_what_they_have(_) ->
    flood([{unread_limit, 4 * ?MIB}], fun() ->
        %% larger ones are handed over in parts
        Part = random(40000),
        Pairs = [pair({inet, stream}) || _ <- lists:seq(1, 200)],
        Readers = [start(fun() -> ?S:recv(B, 60000) end) || {_, B} <- Pairs],
        [await_parked(B, num_readers, 1) || {_, B} <- Pairs],
        [ok = ?S:send(A, Part) || {A, _} <- Pairs],
        [ok = ?S:shutdown(A, write) || {A, _} <- Pairs],
        Results = [result(Reader) || Reader <- Readers],
        %% the bytes of a receive come in pieces, and the last of them may be one too many
        Refused = [Got || {error, {enobufs, Got}} <- Results],
        Kept = count({error, {closed, Part}}, Results),
        Lost = [Got || Got <- Refused, binary:part(Part, 0, byte_size(Got)) =/= Got],
        ?assertEqual({200, []}, {length(Refused) + Kept, Lost}),
        ?assert(Kept =< 4 * ?MIB div byte_size(Part)),
        [close(Pair) || Pair <- Pairs],
        {"~b of 200 were given what they had", [length(Refused)]}
    end).

-spec more_descriptors_than_allowed_are_cut(config()) -> term().
more_descriptors_than_allowed_are_cut(_) ->
    flood([{received_limit, 500}], fun() ->
        Messages = [begin
             {A, B} = pair({local, stream}),
             ok = gosocket_test_fd:pass(A, [gosocket_test_fd:fd(A) || _ <- lists:seq(1, 50)]),
             {ok, Message} = ?S:recvmsg(B, ?PATIENCE),
             {Message, {A, B}}
         end || _ <- lists:seq(1, 20)],
        Flags = [maps:get(flags, Message) || {Message, _} <- Messages],
        ?assertEqual({10, 10}, {count([], Flags), count([ctrunc], Flags)}),
        [close(Pair) || {_, Pair} <- Messages],
        {A, B} = pair({local, stream}),
        ok = gosocket_test_fd:pass(A, [gosocket_test_fd:fd(A)]),
        {ok, #{flags := []}} = ?S:recvmsg(B, ?PATIENCE),
        close({A, B}),
        {"~b of 1000 kept", [500]}
    end).

-spec more_memory_than_allowed_is_enomem(config()) -> term().
more_memory_than_allowed_is_enomem(_) ->
    flood([{memory_limit, 100 * ?MIB}], fun() ->
        Meta = random(200000),
        Sockets = open_till_refused(Meta, 2000),
        ?assert(length(Sockets) > 100 andalso length(Sockets) < 1000),
        ?assertEqual({error, enomem}, ?S:recv(hd(Sockets), 0)),
        close(Sockets),
        wait_until(fun() -> ?S:open(inet, dgram) =/= {error, enomem} end),
        ?assert(peak_kib(helper_os_pid()) < 150 * 1024),
        {"~b sockets with 200 kB each", [length(Sockets)]}
    end).

-spec open_till_refused(binary(), non_neg_integer()) -> [socket()].
open_till_refused(Meta, Left) when Left > 0 ->
    case ?S:open(inet, dgram) of
        {ok, Socket} ->
            ok = ?S:setopt(Socket, otp, meta, Meta),
            [Socket | open_till_refused(Meta, Left - 1)];
        {error, enomem} ->
            []
    end.

-spec descriptors_are_as_many_as_the_hard_limit_allows(config()) -> term().
descriptors_are_as_many_as_the_hard_limit_allows(Config) ->
    Script = gosocket_test_fd:write_script("soft", "ulimit -Sn 64; ulimit -Hn 300\nexec", Config),
    gosocket_test_fd:with_helper(Script, fun() ->
        Sockets = use_up(),
        ?assert(length(Sockets) > 250 andalso length(Sockets) < 300),
        ct:log("~b sockets with a soft limit of 64 and a hard one of 300", [length(Sockets)]),
        close(Sockets)
    end).

-spec use_up() -> [socket()].
use_up() ->
    case ?S:open(inet, dgram) of
        {ok, Socket} -> [Socket | use_up()];
        {error, emfile} -> []
    end.
