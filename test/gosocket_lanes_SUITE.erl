%% Lanes with names: each has a helper of its own, and what ends one concerns no other.
-module(gosocket_lanes_SUITE).

-export([
    death_of_a_helper_takes_its_lane_only/1,
    a_dead_lane_leaves_immediates_behind/1,
    start_tells_what_is_wrong/1,
    stop_answers_everybody_who_waits/1,
    ends_of_what_lanes_share_answer_everybody/1,
    many_deaths_of_a_lane_leave_nothing/1,
    accepted_sockets_stay_with_their_listener/1,
    sockets_are_spread_over_several_default_lanes/1,
    default_lanes_outlast_a_start_that_fails/1,
    descriptors_belong_to_one_helper/1,
    descriptors_of_several_default_lanes_say_whose_they_are/1,
    names_end_with_stop_only/1,
    names_of_later_lanes_outlast_a_second_stop/1,
    many_start_one_lane/1,
    lanes_are_seen/1
]).

-import(gosocket_test_lanes, [pair_in/1, echo/1, helper/1, with_lane/2]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-define(ONE_LANE, [
    sockets_are_spread_over_several_default_lanes,
    default_lanes_outlast_a_start_that_fails,
    start_tells_what_is_wrong,
    descriptors_belong_to_one_helper,
    descriptors_of_several_default_lanes_say_whose_they_are,
    lanes_are_seen,
    names_end_with_stop_only
]).
-include("gosocket_test.hrl").

%% What has come so far.
-spec messages() -> [term()].
messages() ->
    receive Message -> [Message | messages()] after 0 -> [] end.

%% ---- Life and death

-spec death_of_a_helper_takes_its_lane_only(config()) -> term().
death_of_a_helper_takes_its_lane_only(_) ->
    Ours = pair({inet, stream}),
    with_lane(#{}, fun(Name) ->
        {Client, Server} = Theirs = pair_in(Name),
        ok = echo(Theirs),
        ok = echo(Ours),
        ?assertNotEqual(helper(default), helper(Name)),
        Mine = start(fun() -> ?S:recv(element(2, Ours)) end),
        await_parked(element(2, Ours), num_readers, 1),
        Reader = start(fun() -> ?S:recv(Server) end),
        await_parked(Server, num_readers, 1),
        Before = lane(),
        %% they remember where the socket is
        Knowing = [{actor(), Socket} || Socket <- [Client, Server]],
        [{ok, _} = run(Actor, fun() -> ?S:getopt(Socket, otp, meta) end) || {Actor, Socket} <- Knowing],
        signal("KILL", helper(Name)),
        ?assertEqual({error, closed}, result(Reader)),
        ?assertEqual([{error, closed}, {error, {closed, 1}}], [?S:sockname(Client), ?S:send(Client, <<"x">>)]),
        ?assertEqual(Before, lane()),
        ok = ?S:send(element(1, Ours), <<"still">>),
        ?assertEqual({ok, <<"still">>}, result(Mine)),
        %% the next use starts it again; sockets of the run before stay closed, whatever numbers those of the new run have
        ?assertEqual({error, closed}, ?S:open(inet, dgram, udp, #{lane => Client})),
        Again = pair_in(Name),
        ok = echo(Again),
        [begin
             ok = ?S:setopt(Socket, otp, meta, new),
             {ok, new} = ?S:getopt(Socket, otp, meta)
         end || Socket <- tuple_to_list(Again)],
        Number = fun({'$socket', Handle}) -> element(2, gosocket_handle:place(Handle)) end,
        ?assertEqual([Number(Client), Number(Server)], [Number(Socket) || Socket <- tuple_to_list(Again)]),
        ?assertEqual([{error, closed}, {error, closed}], [run(Actor, fun() -> ?S:getopt(Socket, otp, meta) end) || {Actor, Socket} <- Knowing]),
        [kill(Actor) || {Actor, _} <- Knowing],
        ?assertEqual({error, closed}, ?S:open(inet, dgram, udp, #{lane => Client})),
        ok = echo(Ours),
        ?assertEqual([{error, closed}, {error, closed}], [?S:sockname(Client), ?S:recv(Server, 1)]),
        close(Again)
    end),
    ok = echo(Ours),
    close(Ours).

%% Anything else has the VM look through every process.
-spec a_dead_lane_leaves_immediates_behind(config()) -> term().
a_dead_lane_leaves_immediates_behind(_) ->
    with_lane(#{}, fun(Name) ->
        close(pair_in(Name)),
        Terms = fun() -> maps:from_list([Term || {Key, _} = Term <- persistent_term:get(), is_tuple(Key), element(1, Key) =/= otp]) end,
        Before = Terms(),
        signal("KILL", helper(Name)),
        wait_until(fun() -> maps:get(pid, gosocket_lanes:info(Name)) =:= undefined andalso Terms() =/= Before end),
        Dead = Terms(),
        close(pair_in(Name)),
        Restarted = Terms(),
        ok = gosocket_lanes:stop(Name),
        Stopped = Terms(),
        Changed = [{Key, Value} || {Earlier, Later} <- [{Before, Dead}, {Dead, Restarted}, {Restarted, Stopped}],
                                   {Key, Value} <- maps:to_list(Earlier), Later =:= #{} orelse maps:find(Key, Later) =/= {ok, Value}],
        ?assertMatch([_, _, _ | _], Changed),
        ?assertEqual([], [Term || {_, Value} = Term <- Changed, erts_debug:flat_size(Value) > 0])
    end).

-spec start_tells_what_is_wrong(config()) -> term().
start_tells_what_is_wrong(_) ->
    with_lane(#{}, fun(Name) ->
        #{pid := Lane} = gosocket_lanes:info(Name),
        ?assertEqual({error, {already_started, Lane}}, gosocket_lanes:start(Name, #{})),
        ?assertEqual({error, {already_started, Lane}}, gosocket_lanes:start(Name, #{spin_us => 0})),
        ?assert(lists:member(Name, gosocket_lanes:which())),
        Nobody = list_to_atom("nobody" ++ unique()),
        ?assertEqual([{error, {no_lane, Nobody}} || _ <- lists:seq(1, 4)],
                     [?S:open(inet, stream, tcp, #{lane => Nobody}), ?S:open(0, #{lane => Nobody}),
                      gosocket_lanes:stop(Nobody), gosocket_lanes:info(Nobody)]),
        [?assertError(badarg, gosocket_lanes:start(Nobody, Bad))
         || Bad <- [no_map, [], #{unknown => 1}, #{loops => many}, #{loops => 17}, #{spin_us => -1}, #{log_level => loud},
                    #{capabilities => net_raw}, #{allow => nothing}, #{allow => [{no_rule, []}]}, #{landlock => perhaps},
                    #{helper => "/bin/true"}, #{use_registry => 1}, #{lane_spin => -1}, #{window => 1}, #{start => application}]],
        [?assertError(badarg, gosocket_lanes:start(Bad, #{})) || Bad <- ["name", <<"name">>, 1, {default, 2}, {name, 1}]],
        [?assertError(badarg, ?S:open(inet, stream, tcp, #{lane => Bad})) || Bad <- ["name", 1, {name, 1}]],
        %% nothing is left of those
        ?assertEqual({error, {no_lane, Nobody}}, gosocket_lanes:info(Nobody))
    end).

%% Of all kinds of waiting, for one answer each.
-spec stop_answers_everybody_who_waits(config()) -> term().
stop_answers_everybody_who_waits(_) ->
    with_lane(#{}, fun(Name) ->
        {Client, Server} = pair_in(Name),
        {ok, Listener} = ?S:open(inet, stream, tcp, #{lane => Name}),
        {ok, _} = ?S:bind(Listener, loopback),
        ok = ?S:listen(Listener),
        Calls = [start(Call) || Call <- [fun() -> ?S:recv(Client) end, fun() -> ?S:recv(Server, 0, ?PATIENCE) end,
                                         fun() -> ?S:accept(Listener) end, fun() -> ?S:accept(Listener, ?PATIENCE) end]],
        [await_parked(Socket, Kind, N) || {Socket, Kind, N} <- [{Client, num_readers, 1}, {Server, num_readers, 1}, {Listener, num_acceptors, 2}]],
        Selects = [begin
                       Actor = actor(),
                       {select, {select_info, _, Ref}} = run(Actor, fun() -> ?S:accept(Listener, nowait) end),
                       {Actor, Ref}
                   end || _ <- lists:seq(1, 3)],
        {Elapsed, Stopped} = elapsed(fun() -> gosocket_lanes:stop(Name) end),
        ?assertEqual(ok, Stopped),
        ?assert(Elapsed < 1000 * slack()),
        ?assertEqual([{error, closed} || _ <- Calls], [result(Call) || Call <- Calls]),
        [?assertEqual([{'$socket', Listener, abort, {Ref, closed}}], run(Actor, fun messages/0))
         || {Actor, Ref} <- Selects],
        [kill(Actor) || {Actor, _} <- Selects],
        ?assertEqual({error, {no_lane, Name}}, gosocket_lanes:stop(Name)),
        ?assertEqual({error, {no_lane, Name}}, ?S:open(inet, stream, tcp, #{lane => Name}))
    end).

%% Whoever is killed or stopped: those who wait in two lanes are answered within a second, selects have one abort each, and the
%% next open, which is in the lane of everybody, comes soon.
-spec ends_of_what_lanes_share_answer_everybody(config()) -> term().
ends_of_what_lanes_share_answer_everybody(_) ->
    Kill = fun(Registered) -> fun() -> exit(whereis(Registered), kill) end end,
    [begin
         {ok, _} = ?S:open(inet, dgram),
         {ok, _} = gosocket_lanes:start(ends, #{}),
         Pairs = [pair_in(Name) || Name <- [default, ends]],
         Calls = [start(fun() -> ?S:recv(Server) end) || {_, Server} <- Pairs, _ <- lists:seq(1, 50)],
         [await_parked(Server, num_readers, 50) || {_, Server} <- Pairs],
         Selects = [begin
                        Actor = actor(),
                        {select, {select_info, _, Ref}} = run(Actor, fun() -> ?S:recv(Client, 0, nowait) end),
                        {Actor, Client, Ref}
                    end || {Client, _} <- Pairs, _ <- lists:seq(1, 5)],
         {Elapsed, Answers} = elapsed(fun() ->
             End(),
             [result(Call) || Call <- Calls]
         end),
         ?assertEqual({Kind, [{error, closed}]}, {Kind, lists:usort(Answers)}),
         ?assert(Elapsed < 1000 * slack()),
         {Soon, {ok, New}} = elapsed(fun() -> ?S:open(inet, dgram) end),
         ?assert(Soon < 500 * slack()),
         [wait_until(fun() -> run(Actor, fun() -> process_info(self(), message_queue_len) end) =/= {message_queue_len, 0} end)
          || {Actor, _, _} <- Selects],
         [?assertEqual([{'$socket', Client, abort, {Ref, closed}}], run(Actor, fun messages/0)) || {Actor, Client, Ref} <- Selects],
         [kill(Actor) || {Actor, _, _} <- Selects],
         close([New]),
         %% what was started at run time is forgotten with who knew of it
         ?assertEqual({Kind, {error, {no_lane, ends}}}, {Kind, ?S:open(inet, dgram, udp, #{lane => ends})})
     end || {Kind, End} <- [{names, Kill(gosocket_names)}, {guardian, Kill(gosocket_guardian)}, {supervisor, Kill(gosocket_sup)},
                            {application, fun() -> application:stop(gosocket) end}]].

%% A helper that is killed and started again, 20 times, under calls: nothing grows.
-spec many_deaths_of_a_lane_leave_nothing(config()) -> term().
many_deaths_of_a_lane_leave_nothing(_) ->
    with_lane(#{}, fun(Name) ->
        Once = fun() ->
            {_, Server} = pair_in(Name),
            Calls = [start(fun() -> ?S:recv(Server) end) || _ <- lists:seq(1, 20)],
            await_parked(Server, num_readers, 20),
            signal("KILL", helper(Name)),
            ?assertEqual([{error, closed}], lists:usort([result(Call) || Call <- Calls])),
            {Soon, {ok, Socket}} = elapsed(fun() -> ?S:open(inet, dgram, udp, #{lane => Name}) end),
            ?assert(Soon < 500 * slack()),
            close([Socket])
        end,
        Counts = fun() -> [length(processes()), length(ets:all()), length(erlang:ports()), maps:get(count, persistent_term:info())] end,
        Once(),
        Before = Counts(),
        [Once() || _ <- lists:seq(1, 19)],
        %% there may have been more a moment before
        wait_until(fun() -> lists:all(fun({Now, Then}) -> Now =< Then end, lists:zip(Counts(), Before)) end)
    end).

%% ---- Which lane a socket is of

-spec fd(socket()) -> non_neg_integer().
fd(Socket) ->
    {ok, FD} = ?S:getopt(Socket, otp, fd),
    FD.

%% The kernel knows whose it is.
-spec is_of(socket(), gosocket_lanes:name()) -> boolean().
is_of(Socket, Name) ->
    {ok, Cookie} = ?S:getopt(Socket, 1, {57, 8}),   % SO_COOKIE: one for each socket of the machine
    {ok, Twin} = ?S:open(fd(Socket), #{lane => Name, use_registry => false}),
    Found = ?S:getopt(Twin, 1, {57, 8}),
    ok = ?S:close(Twin),
    Found =:= {ok, Cookie}.

-spec accepted_sockets_stay_with_their_listener(config()) -> term().
accepted_sockets_stay_with_their_listener(_) ->
    with_lane(#{}, fun(Name) ->
        {Client, Server} = Pair = pair_in(Name),
        ?assertEqual([Name, Name], [gosocket_names:of_socket(Socket) || Socket <- [Client, Server]]),
        ?assert(is_of(Server, Name)),
        {ok, Beside} = ?S:open(inet, dgram, udp, #{lane => Server}),
        ?assertEqual(Name, gosocket_names:of_socket(Beside)),
        ?assert(is_of(Beside, Name)),
        close([Beside | tuple_to_list(Pair)])
    end).

%% ---- Several default lanes

-spec with_default_lanes(pos_integer(), fun(() -> term())) -> term().
with_default_lanes(Count, Test) ->
    Before = gosocket_test_lib:default_lanes(),
    ok = application:set_env(gosocket, default_lanes, Count),
    try
        Test()
    after
        [_ = gosocket_lanes:stop({default, N}) || N <- lists:seq(2, Count)],
        ok = application:set_env(gosocket, default_lanes, Before)
    end.

-spec sockets_are_spread_over_several_default_lanes(config()) -> term().
sockets_are_spread_over_several_default_lanes(_) ->
    with_default_lanes(3, fun() ->
        Openers = [actor() || _ <- lists:seq(1, 40)],
        Open = fun() -> {ok, Socket} = ?S:open(inet, stream), Socket end,
        Sockets = [{run(Opener, Open), run(Opener, Open)} || Opener <- Openers],
        Lanes = [{gosocket_names:of_socket(A), gosocket_names:of_socket(B)} || {A, B} <- Sockets],
        %% those of one opener are together
        ?assertEqual([], [Both || {A, B} = Both <- Lanes, A =/= B]),
        Each = [length([1 || {Name, _} <- Lanes, Name =:= {default, N}]) || N <- [1, 2, 3]],
        ?assertEqual({40, []}, {lists:sum(Each), [Few || Few <- Each, Few < 5]}),
        ?assertEqual([{default, 1}, {default, 2}, {default, 3}], gosocket_lanes:which()),
        ?assertEqual(3, length(lists:usort([helper(Name) || Name <- gosocket_lanes:which()]))),
        %% all are the node's sockets
        ?assertEqual([], [Socket || {A, B} <- Sockets, Socket <- [A, B]] -- ?S:which_sockets()),
        %% and the death of one is not that of another
        signal("KILL", helper({default, 2})),
        [?assertEqual({Name, closed}, {Name, element(2, ?S:sockname(A))}) || {{A, _}, {{default, 2} = Name, _}} <- lists:zip(Sockets, Lanes)],
        [?assertMatch({_, {ok, _}}, {Name, ?S:sockname(A)}) || {{A, _}, {Name, _}} <- lists:zip(Sockets, Lanes), Name =/= {default, 2}],
        [kill(Opener) || Opener <- Openers]
    end),
    ?assertEqual([default], gosocket_lanes:which()).

%% Which of them is started is not said: one after the other is missing. Those that run have sockets, which stay.
-spec default_lanes_outlast_a_start_that_fails(config()) -> term().
default_lanes_outlast_a_start_that_fails(_) ->
    Loops = application:get_env(gosocket, loops),
    with_default_lanes(3, fun() ->
        Names = [{default, N} || N <- [1, 2, 3]],
        Fails = fun(Missing) ->
            Sockets = [Socket || Name <- Names, Name =/= Missing, {ok, Socket} <- [?S:open(inet, dgram, udp, #{lane => Name})]],
            _ = gosocket_lanes:stop(Missing),
            ok = application:set_env(gosocket, loops, 99),
            Answer = gosocket_lanes:start(default, #{}),
            ok = case Loops of
                     {ok, Before} -> application:set_env(gosocket, loops, Before);
                     undefined -> application:unset_env(gosocket, loops)
                 end,
            ?assertMatch([{ok, _}, {ok, _}], [?S:sockname(Socket) || Socket <- Sockets]),
            ?assertEqual(Names -- [Missing], gosocket_lanes:which()),
            close(Sockets),
            Answer
        end,
        ?assert(lists:member({error, einval}, [Fails(Name) || Name <- Names]))
    end).

%% ---- Descriptors

-spec descriptors_belong_to_one_helper(config()) -> term().
descriptors_belong_to_one_helper(_) ->
    with_lane(#{}, fun(Name) ->
        {ok, Ours} = ?S:open(inet, dgram),
        {ok, Theirs} = ?S:open(inet, dgram, udp, #{lane => Name}),
        [?assert(is_of(Socket, Lane)) || {Socket, Lane} <- [{Ours, default}, {Ours, Ours}, {Theirs, Name}, {Theirs, Theirs}]],
        {ok, Twin} = ?S:open(fd(Theirs), #{lane => Theirs}),
        ?assertEqual(Name, gosocket_names:of_socket(Twin)),
        %% no socket of another run of the lane says whose it is now
        signal("KILL", helper(Name)),
        wait_until(fun() -> helper(Name) =:= undefined end),
        {ok, New} = ?S:open(inet, dgram, udp, #{lane => Name}),
        ?assertEqual({error, closed}, ?S:open(fd(New), #{lane => Theirs})),
        ?assertError(badarg, ?S:open(0, #{lane => "name"})),
        close([Ours, New])
    end),
    %% the VM's need no word, but may go to any lane
    with_lane(#{}, fun(Name) ->
        {ok, Udp} = gen_udp:open(0, [{ip, {127, 0, 0, 1}}]),
        {ok, FD} = inet:getfd(Udp),
        {ok, Adopted} = ?S:open(FD, #{holder => vm, lane => Name}),
        ?assertEqual(Name, gosocket_names:of_socket(Adopted)),
        close([Adopted]),
        ok = gen_udp:close(Udp)
    end).

%% Of messages that carry descriptors, and of open: each way to say whose one is.
-spec descriptors_of_several_default_lanes_say_whose_they_are(config()) -> term().
descriptors_of_several_default_lanes_say_whose_they_are(_) ->
    Send = fun(Carrier, Level, Type, Said) ->
        {ok, Sent} = ?S:open(inet, dgram, udp, #{lane => Carrier}),
        Control = Said#{level => Level, type => Type, data => <<(fd(Sent)):32/native>>},
        Answer = ?S:sendmsg(Carrier, #{iov => [<<"x">>], ctrl => [Control]}),
        close([Sent]),
        Answer
    end,
    Pair = fun(Name) ->
        {ok, Listener} = ?S:open(local, stream, default, #{lane => Name}),
        Address = abstract(),
        {ok, _} = ?S:bind(Listener, Address),
        ok = ?S:listen(Listener),
        {ok, Client} = ?S:open(local, stream, default, #{lane => Name}),
        ok = ?S:connect(Client, Address),
        {ok, Server} = ?S:accept(Listener),
        close([Listener]),
        {Client, Server}
    end,
    {A, B} = Pair(default),
    ?assertEqual([ok, ok, ok], [Send(A, socket, rights, Said) || Said <- [#{}, #{lane => default}, #{lane => A}]]),
    with_lane(#{}, fun(Name) ->
        {C, D} = Pair(Name),
        ?assertEqual([ok, ok, ok], [Send(C, socket, rights, Said) || Said <- [#{}, #{lane => Name}, #{lane => D}]]),
        Kinds = [{socket, rights}, {1, rights}, {socket, 1}, {1, 1}],
        [?assertEqual({Kind, Said, {error, einval}}, {Kind, Said, Send(C, Level, Type, Said)})
         || {Level, Type} = Kind <- Kinds, Said <- [#{lane => default}, #{lane => A}, #{lane => nobody}, #{lane => "nothing"}]],
        with_default_lanes(2, fun() ->
            [Own, Other] = case gosocket_names:of_socket(A) of
                               {default, 1} -> [{default, 1}, {default, 2}];
                               {default, 2} -> [{default, 2}, {default, 1}]
                           end,
            {E, _} = Pair(Other),
            [?assertEqual({Kind, Said, {error, einval}}, {Kind, Said, Send(A, Level, Type, Said)})
             || {Level, Type} = Kind <- Kinds, Said <- [#{}, #{lane => default}, #{lane => Other}, #{lane => E}, #{lane => Name}, #{lane => C}]],
            ?assertEqual([ok, ok, ok, ok], [Send(A, Level, Type, #{lane => Said}) || {Level, Type} <- [{socket, rights}, {1, 1}], Said <- [Own, B]]),
            ?assertEqual([ok, ok, {error, einval}], [Send(C, socket, rights, Said) || Said <- [#{lane => Name}, #{lane => C}, #{}]]),
            ?assertEqual([{error, einval}, {error, einval}, {error, {no_lane, {default, 3}}}],
                         [?S:open(fd(A), Opts) || Opts <- [#{}, #{lane => default}, #{lane => {default, 3}}]]),
            [begin
                 {ok, Twin} = ?S:open(fd(A), #{lane => Said}),
                 ?assertEqual(Own, gosocket_names:of_socket(Twin)),
                 close([Twin])
             end || Said <- [Own, A, B]],
            %% what a message has brought is of the socket that it came through
            {ok, #{ctrl := [#{type := rights, data := <<Received:32/native>>}]}} = ?S:recvmsg(B),
            {ok, Taken} = ?S:open(Received, #{lane => B, dup => false}),
            ?assertEqual(Own, gosocket_names:of_socket(Taken)),
            close([Taken, E])
        end),
        close([C, D])
    end),
    close([A, B]).

%% ---- Names

-spec names_end_with_stop_only(config()) -> term().
names_end_with_stop_only(_) ->
    with_lane(#{send_ahead => 4096}, fun(Name) ->
        signal("KILL", helper(Name)),
        wait_until(fun() -> helper(Name) =:= undefined end),
        ?assertNot(lists:member(Name, gosocket_lanes:which())),
        %% it has its settings still
        {error, {already_started, Lane}} = gosocket_lanes:start(Name, #{}),
        {ok, Socket} = ?S:open(inet, stream, tcp, #{lane => Name}),
        ?assertMatch(#{pid := Lane}, gosocket_lanes:info(Name)),
        ?assertEqual({ok, 4096}, ?S:getopt(Socket, otp, send_ahead)),
        ok = gosocket_lanes:stop(Name),
        {ok, _} = gosocket_lanes:start(Name, #{}),
        {ok, Other} = ?S:open(inet, stream, tcp, #{lane => Name}),
        ?assertEqual({{ok, 0}, {error, closed}}, {?S:getopt(Other, otp, send_ahead), ?S:sockname(Socket)})
    end),
    %% more of them, one after the other, than there is room for at a time
    Before = persistent_term:info(),
    [begin
         {ok, _} = gosocket_lanes:start(again, #{spin_us => 0}),
         ok = gosocket_lanes:stop(again)
     end || _ <- lists:seq(1, 200)],
    ?assertEqual([default], gosocket_lanes:which()),
    ?assert(maps:get(count, persistent_term:info()) - maps:get(count, Before) =< 3 * 192).

%% Two stops of one lane, the second of which goes on when the name has been given away again.
-spec names_of_later_lanes_outlast_a_second_stop(config()) -> term().
names_of_later_lanes_outlast_a_second_stop(_) ->
    with_lane(#{}, fun(Name) ->
        {ok, [_] = First} = gosocket_names:stop(Name),
        {ok, Later} = gosocket_lanes:start(Name, #{}),
        ok = gosocket_sup:end_lanes(First),
        ?assert(lists:member(Name, gosocket_lanes:which())),
        ?assertMatch(#{pid := Later}, gosocket_lanes:info(Name)),
        ?assertEqual(ok, gosocket_lanes:stop(Name)),
        ?assertNot(is_process_alive(Later)),
        ?assertNot(lists:member(Name, gosocket_lanes:which()))
    end).

%% All at once: one of them does, the others hear of that one.
-spec many_start_one_lane(config()) -> term().
many_start_one_lane(_) ->
    Name = list_to_atom("lane" ++ unique()),
    Results = [result(Call) || Call <- [start(fun() -> gosocket_lanes:start(Name, #{spin_us => N}) end) || N <- lists:seq(1, 20)]],
    [Lane] = [Lane || {ok, Lane} <- Results],
    ?assertEqual([{error, {already_started, Lane}}], lists:usort(Results -- [{ok, Lane}])),
    ok = gosocket_lanes:stop(Name).

-spec lanes_are_seen(config()) -> term().
lanes_are_seen(_) ->
    with_lane(#{}, fun(Name) ->
        {ok, Ours} = ?S:open(inet, dgram),
        {ok, Theirs} = ?S:open(inet, dgram, udp, #{lane => Name}),
        ?assertEqual([Theirs, Ours], [Socket || Socket <- ?S:which_sockets(), Socket =:= Ours orelse Socket =:= Theirs]),
        ?assertMatch(#{num_sockets := 1, name := Name, protections := #{no_new_privs := true}}, gosocket_lanes:info(Name)),
        ct:capture_start(),
        ok = ?S:i(self()),
        ok = ?S:i([fd, lane]),
        ct:capture_stop(),
        Rows = [string:lexemes(Line, " ") || Line <- string:lexemes(lists:append(ct:capture_get([])), "\n")],
        ?assertMatch(["Lane", "FD" | _], hd(Rows)),
        [?assert(lists:member([integer_to_list(fd(Socket)), lists:flatten(io_lib:format("~tw", [Lane]))], Rows)) || {Socket, Lane} <- [{Ours, default}, {Theirs, Name}]],
        [?assertEqual({true, From}, {lists:member(lane_row(Name), lane_rows(fun() -> i(From) end)), From}) || From <- [all, lanes]],
        close([Ours, Theirs])
    end).

-spec i(all | lanes) -> ok.
i(all) -> ?S:i();
i(lanes) -> ?S:i(lanes).

%% Lane, helper and sockets, as the table of lanes has them.
-spec lane_row(gosocket_lanes:name()) -> [string()].
lane_row(Name) ->
    #{helper := Helper, num_sockets := Sockets} = gosocket_lanes:info(Name),
    [lists:flatten(io_lib:format("~tw", [Name])), integer_to_list(Helper), integer_to_list(Sockets)].

-spec lane_rows(fun(() -> ok)) -> [[string()]].
lane_rows(Print) ->
    ct:capture_start(),
    ok = Print(),
    ct:capture_stop(),
    Rows = [string:lexemes(Line, " ") || Line <- string:lexemes(lists:append(ct:capture_get([])), "\n")],
    [Titles | Lanes] = lists:dropwhile(fun(Row) -> lists:sublist(Row, 2) =/= ["Lane", "Helper"] end, Rows),
    ?assertEqual([length(Titles)], lists:usort([length(Row) || Row <- Lanes])),
    [lists:sublist(Row, 3) || Row <- Lanes].
